//! Logs.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(init(LogFormat::Plain, "a=b=c").is_err());
    }
}
