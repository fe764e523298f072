use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn files(list: &[(&str, &str, u32)]) -> Files {
    let file = |(name, text, mode): &(&str, &str, u32)| {
        let bytes = text.as_bytes().to_vec();
        ((*name).to_owned(), File { bytes, mode: *mode })
    };
    list.iter().map(file).collect()
}

fn text(folder: &TempDir, name: &str) -> Option<String> {
    fs::read_to_string(folder.path().join(name)).ok()
}

fn mode(folder: &TempDir, name: &str) -> u32 {
    let metadata = fs::metadata(folder.path().join(name)).unwrap();
    metadata.permissions().mode() & 0o7777
}

fn names(folder: &TempDir) -> BTreeSet<String> {
    let all = entries(folder.path()).unwrap();
    all.into_iter().map(|(name, _)| name).collect()
}

fn link(folder: &TempDir) -> (u64, PathBuf) {
    let path = folder.path().join(DATA);
    (
        fs::symlink_metadata(&path).unwrap().ino(),
        fs::read_link(path).unwrap(),
    )
}

#[test]
fn files_have_their_content_and_mode_and_the_group_may_enter() {
    let folder = folder();
    let wanted = files(&[("server.crt", "leaf", 0o640), ("server.key", "key", 0o600)]);
    let changed = write(folder.path(), &wanted).unwrap();
    assert_eq!(changed, ["server.crt", "server.key"]);
    assert_eq!(text(&folder, "server.crt").as_deref(), Some("leaf"));
    assert_eq!(mode(&folder, "server.crt"), 0o640);
    assert_eq!(text(&folder, "server.key").as_deref(), Some("key"));
    assert_eq!(mode(&folder, "server.key"), 0o600);
    assert_eq!(mode(&folder, DATA), FOLDER_MODE);
    assert!(holds(folder.path(), &wanted));
}

#[test]
fn only_changed_files_are_told_and_all_files_move_to_the_new_version() {
    let folder = folder();
    write(folder.path(), &files(&[("a", "1", 0o640), ("b", "1", 0o640)])).unwrap();
    let before = link(&folder);
    let changed = write(folder.path(), &files(&[("a", "1", 0o640), ("b", "2", 0o640)])).unwrap();
    assert_eq!(changed, ["b"]);
    assert_ne!(link(&folder).1, before.1);
    assert_eq!(text(&folder, "a").as_deref(), Some("1"));
    assert_eq!(text(&folder, "b").as_deref(), Some("2"));
    assert_eq!(
        names(&folder).len(),
        4,
        "one version is left: {:?}",
        names(&folder)
    );
}

#[test]
fn the_same_content_is_not_written_again() {
    let folder = folder();
    let wanted = files(&[("a", "1", 0o640)]);
    write(folder.path(), &wanted).unwrap();
    let before = link(&folder);
    assert!(write(folder.path(), &wanted).unwrap().is_empty());
    assert_eq!(link(&folder), before);
}

#[test]
fn a_file_with_another_mode_is_written_again() {
    let folder = folder();
    write(folder.path(), &files(&[("a", "1", 0o640)])).unwrap();
    assert_eq!(write(folder.path(), &files(&[("a", "1", 0o600)])).unwrap(), ["a"]);
    assert_eq!(mode(&folder, "a"), 0o600);
}

#[test]
fn a_file_whose_key_is_gone_is_removed() {
    let folder = folder();
    write(folder.path(), &files(&[("a", "1", 0o640), ("b", "1", 0o640)])).unwrap();
    assert_eq!(write(folder.path(), &files(&[("a", "1", 0o640)])).unwrap(), ["b"]);
    assert!(!folder.path().join("b").is_symlink());
    assert_eq!(write(folder.path(), &Files::new()).unwrap(), ["a"]);
    assert!(!folder.path().join("a").is_symlink());
    assert!(is_written(folder.path()), "no file at all is a version, too");
}

#[test]
fn files_of_others_stay() {
    let folder = folder();
    fs::write(folder.path().join("note"), "theirs").unwrap();
    write(folder.path(), &files(&[("a", "1", 0o640)])).unwrap();
    assert_eq!(text(&folder, "note").as_deref(), Some("theirs"));
}

#[test]
fn whoever_dies_while_writing_has_changed_nothing() {
    let folder = folder();
    write(folder.path(), &files(&[("a", "old", 0o640)])).unwrap();
    stage(folder.path(), &files(&[("a", "new", 0o640), ("b", "new", 0o640)])).unwrap();
    assert_eq!(text(&folder, "a").as_deref(), Some("old"));
    assert_eq!(text(&folder, "b"), None);
    // And just before the rename.
    symlink("..nowhere", folder.path().join(NEW_LINK)).unwrap();
    assert_eq!(text(&folder, "a").as_deref(), Some("old"));
}

#[test]
fn what_a_dead_writer_left_is_removed_also_when_nothing_changed() {
    let folder = folder();
    let wanted = files(&[("a", "1", 0o640)]);
    write(folder.path(), &wanted).unwrap();
    let before = names(&folder);
    stage(folder.path(), &files(&[("a", "2", 0o640)])).unwrap();
    symlink("..nowhere", folder.path().join(NEW_LINK)).unwrap();
    write(folder.path(), &wanted).unwrap();
    assert_eq!(names(&folder), before);
}

#[test]
fn whoever_dies_before_files_have_names_is_completed_by_the_next() {
    let folder = folder();
    write(folder.path(), &files(&[("a", "1", 0o640), ("b", "1", 0o640)])).unwrap();
    let wanted = files(&[("a", "2", 0o640), ("c", "2", 0o640)]);
    let version = stage(folder.path(), &wanted).unwrap();
    point(&folder.path().join(DATA), folder.path(), Path::new(&version)).unwrap();
    assert_eq!(text(&folder, "c"), None);
    write(folder.path(), &wanted).unwrap();
    assert_eq!(text(&folder, "c").as_deref(), Some("2"));
    assert!(!folder.path().join("b").is_symlink());
}

#[test]
fn something_else_in_place_of_a_file_is_replaced() {
    let folder = folder();
    fs::write(folder.path().join("a"), "theirs").unwrap();
    write(folder.path(), &files(&[("a", "1", 0o640)])).unwrap();
    assert_eq!(text(&folder, "a").as_deref(), Some("1"));
    assert_eq!(mode(&folder, "a"), 0o640);
}

#[test]
fn an_empty_folder_is_filled_once() {
    let folder = folder();
    assert!(!is_written(folder.path()));
    assert_eq!(
        write_first(folder.path(), &files(&[("a", "1", 0o640)])).unwrap(),
        ["a"]
    );
    assert!(
        write_first(folder.path(), &files(&[("a", "0", 0o640)]))
            .unwrap()
            .is_empty()
    );
    assert_eq!(text(&folder, "a").as_deref(), Some("1"));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_it() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let error = write(&missing, &files(&[("a", "1", 0o640)])).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn nobody_sees_a_key_in_a_debug_output() {
    let wanted = files(&[("a", "very secret", 0o600)]);
    assert!(!format!("{wanted:?}").contains("secret"));
}
