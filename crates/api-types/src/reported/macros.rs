//! A table of words, written once, as constants and as a list.

/// `/// meaning` `CONSTANT = "Word" in "where it is seen";`, with `, trouble` before the semicolon when something is wrong.
macro_rules! words {
    ($($(#[doc = $meaning:literal])+ $name:ident = $text:literal in $seen:literal $(, $trouble:ident)?;)+) => {
        $($(#[doc = $meaning])+ pub const $name: &str = $text;)+

        /// All of them.
        pub const ALL: &[$crate::reported::Word] = &[$($crate::reported::Word {
            text: $text,
            meaning: concat!($($meaning),+),
            seen: $seen,
            is_trouble: {
                const MARKS: &[&str] = &[$(stringify!($trouble))?];
                !MARKS.is_empty()
            },
            constant: stringify!($name),
        }),+];
    };
}
