//! Errors as messages of conditions, Events and logs have them.

use std::error::Error;

/// An error and its causes in one line: `a: b: c`. A cause whose text its parent already ends with is not repeated.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot apply Secret shop/pg-auth")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot apply Secret shop/pg-auth: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn causes_follow_their_error() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(
            error_chain(&error),
            "cannot apply Secret shop/pg-auth: connection refused"
        );
    }

    #[test]
    fn causes_are_not_said_twice() {
        let error = Repeating(std::io::Error::other("connection refused"));
        assert_eq!(
            error_chain(&error),
            "cannot apply Secret shop/pg-auth: connection refused"
        );
    }
}
