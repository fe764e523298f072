//! Errors as messages of conditions, Events and logs have them.

use std::error::Error;

/// An error and its causes in one line: `a: b: c`. A cause whose text its parent already ends with is not repeated.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = without_debug(error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = without_debug(cause.to_string());
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// `kube::Error` shows a response of the API server as `ApiError: <message>: <reason> (<the whole response in Debug
/// form>)`.
fn without_debug(text: String) -> String {
    let Some((before, debug)) = text.split_once(" (Status {") else {
        return text;
    };
    let after = debug.rsplit_once("})").map_or("", |(_, after)| after);
    format!("{}{after}", before.replacen("ApiError: ", "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("ApiError: {0} ({0:?})")]
    struct Api(#[source] Status);

    #[derive(Debug, thiserror::Error)]
    #[error("watch failed: {0}")]
    struct Watch(#[source] Api);

    #[derive(Debug, thiserror::Error)]
    #[error("{message}: Forbidden")]
    #[allow(dead_code, reason = "its Debug form is what is tested")]
    struct Status {
        message: &'static str,
        details: Option<&'static str>,
    }

    #[test]
    fn debug_forms_of_the_api_servers_answers_are_left_out() {
        let message = "pods (two of them) are forbidden";
        let status = |details| Status { message, details };
        for details in [None, Some("x })")] {
            let expected = "pods (two of them) are forbidden: Forbidden";
            assert_eq!(error_chain(&Api(status(details))), expected);
            assert_eq!(
                error_chain(&Watch(Api(status(details)))),
                format!("watch failed: {expected}")
            );
        }
    }

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
