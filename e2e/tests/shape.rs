//! How long files and functions of the product are: read from the source, so that neither grows unseen.
//!
//! `cargo test -p e2e --test shape -- --nocapture` prints the figures.

use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 60;
const MEDIAN_FUNCTION: usize = 10;
/// Nine of ten functions are not longer.
const NINTH_DECILE: usize = 25;

/// Functions that are longer today, by file name and function. The list only gets shorter.
const STILL_LONG: [(&str, &str); 5] = [
    ("settings.rs", "resolve"),
    ("unused.rs", "topology"),
    ("observe.rs", "during"),
    ("waiting.rs", "fmt"),
    ("provision.rs", "provision"),
];

/// A function and its lines, from its signature to its closing brace.
struct Function {
    name: String,
    lines: usize,
}

/// The functions of one file, those of its unit tests apart.
#[derive(Default)]
struct Functions {
    found: Vec<Function>,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        self.found.push(Function {
            name: signature.ident.to_string(),
            lines: last - first + 1,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let is_test = |of: syn::Path| of.is_ident("test");
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(is_test)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    for folder in ["crates", "e2e"] {
        rust_files(&workspace().join(folder), &mut paths);
    }
    paths.sort();
    let text = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file");
        (path, text)
    };
    paths.into_iter().map(text).collect()
}

/// Whether a file is of the product, not of its tests.
fn is_product(path: &Path) -> bool {
    let in_tests = path.components().any(|part| part.as_os_str() == "tests");
    !in_tests && !path.ends_with("tests.rs")
}

fn functions_of(path: &Path, text: &str) -> Vec<Function> {
    let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut functions = Functions::default();
    functions.visit_file(&file);
    functions.found
}

#[test]
fn no_file_is_longer_than_a_reader_keeps_in_mind() {
    let lengths = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()));
    let too_long: Vec<_> = lengths.filter(|(_, lines)| *lines > LONGEST_FILE).collect();
    assert!(
        too_long.is_empty(),
        "longer than {LONGEST_FILE} lines: {too_long:#?}"
    );
}

#[test]
fn functions_of_the_product_are_short() {
    let mut lengths = Vec::new();
    let (mut too_long, mut still_long) = (Vec::new(), Vec::new());
    for (path, text) in sources().iter().filter(|(path, _)| is_product(path)) {
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a file name");
        for function in functions_of(path, text) {
            lengths.push(function.lines);
            if function.lines <= LONGEST_FUNCTION {
                continue;
            }
            let known = STILL_LONG
                .iter()
                .find(|it| **it == (file, function.name.as_str()));
            if let Some(known) = known {
                still_long.push(known);
            } else {
                too_long.push(format!(
                    "{} {}: {}",
                    path.display(),
                    function.name,
                    function.lines
                ));
            }
        }
    }
    lengths.sort_unstable();
    let at = |tenth: usize| lengths[lengths.len() * tenth / 10];
    let (median, ninth_decile) = (at(5), at(9));
    println!(
        "{} functions, median {median} lines, nine of ten at most {ninth_decile}",
        lengths.len()
    );
    assert!(
        too_long.is_empty(),
        "longer than {LONGEST_FUNCTION} lines: {too_long:#?}"
    );
    let shortened: Vec<_> = STILL_LONG.iter().filter(|it| !still_long.contains(it)).collect();
    assert!(
        shortened.is_empty(),
        "short by now, take them off the list: {shortened:?}"
    );
    assert!(median <= MEDIAN_FUNCTION, "median {median}");
    assert!(ninth_decile <= NINTH_DECILE, "ninth decile {ninth_decile}");
}

#[test]
fn a_function_counts_from_its_signature_and_those_of_unit_tests_do_not() {
    let text = "/// Says a.\n#[inline]\nfn a() {\n    b();\n}\nimpl C {\n    fn d() {}\n}\n#[cfg(test)]\nmod tests {\n    fn e() {}\n}\n";
    let found = functions_of(Path::new("example.rs"), text);
    let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.lines)).collect();
    assert_eq!(found, [("a", 3), ("d", 1)]);
}
