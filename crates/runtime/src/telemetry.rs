//! Logs, and errors printed with all their causes.

use std::error::Error;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts logging to standard error. A second call (in tests) changes nothing.
///
/// # Errors
/// When `filter` is not a filter of `tracing_subscriber`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Only fails when a subscriber is installed already, which is what a test harness may have done.
    let _ = match format {
        LogFormat::Plain => logs.with_ansi(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(true).try_init(),
    };
    Ok(())
}

/// An error and its causes in one line: `a: b: c`. A cause whose text its parent already ends with is not repeated.
pub fn chain(error: &dyn Error) -> String {
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
            chain(&error),
            "cannot apply Secret shop/pg-auth: connection refused"
        );
    }

    #[test]
    fn causes_are_not_said_twice() {
        let error = Repeating(std::io::Error::other("connection refused"));
        assert_eq!(
            chain(&error),
            "cannot apply Secret shop/pg-auth: connection refused"
        );
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(init(LogFormat::Plain, "a=b=c").is_err());
    }
}
