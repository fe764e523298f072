//! A table of words, written once, as constants and as a list.

/// `/// meaning` `CONSTANT = "Word" in "where it is seen";`. Before the semicolon come marks, each after a comma: `trouble` when
/// something is wrong, or waits for a person; of a condition's type `bad_when_true` or `bad_unless_true`.
macro_rules! words {
    ($($(#[doc = $meaning:literal])+ $name:ident = $text:literal in $seen:literal $(, $mark:ident)*;)+) => {
        $($(#[doc = $meaning])+ pub const $name: &str = $text;)+

        /// All of them.
        pub const ALL: &[$crate::reported::StatusReason] = &[$($crate::reported::StatusReason {
            text: $text,
            meaning: concat!($($meaning),+),
            seen: $seen,
            is_trouble: $crate::reported::has_mark(&[$(stringify!($mark)),*], "trouble"),
            bad: $crate::reported::Bad::of_marks(&[$(stringify!($mark)),*]),
            constant: stringify!($name),
        }),+];
    };
}
