//! What applications that try again and again came to, as told by their records.

use std::collections::BTreeMap;

/// What the prober or the reader came to in a stretch of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// All attempts.
    pub made: usize,
    /// Those that failed, by their message.
    pub errors: BTreeMap<String, usize>,
    /// When they failed, in seconds since the epoch of Unix.
    pub failed_at: Vec<String>,
}

impl Attempts {
    /// Failed attempts.
    pub fn failed(&self) -> usize {
        self.errors.values().sum()
    }

    /// Adds those of another stretch.
    pub fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.failed_at.extend(other.failed_at.iter().cloned());
        for (message, count) in &other.errors {
            *self.errors.entry(message.clone()).or_default() += count;
        }
    }

    /// Reads lines of a record: `ok <seconds>` or `err <seconds> <message>`.
    pub fn read(lines: &str) -> Self {
        let mut found = Self::default();
        for line in lines.lines() {
            found.made += 1;
            if let ["err", at, message] = line.splitn(3, ' ').collect::<Vec<_>>().as_slice() {
                found.failed_at.push((*at).to_owned());
                *found.errors.entry((*message).to_owned()).or_default() += 1;
            }
        }
        found
    }
}

/// New `verify-full` connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// With the CAs that the AppBinding named at that moment.
    pub current: Attempts,
    /// With all CAs that it ever named.
    pub held: Attempts,
}

impl Probes {
    /// Both kinds together.
    pub fn all(&self) -> Attempts {
        let mut all = self.current.clone();
        all.add(&self.held);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_attempts_are_counted_by_their_message() {
        let found = Attempts::read("ok 1.0\nerr 1.1 no way in\nok 1.2\nerr 1.3 no way in\n");
        assert_eq!((found.made, found.failed()), (4, 2));
        assert_eq!(found.errors["no way in"], 2);
        assert_eq!(found.failed_at, ["1.1", "1.3"]);
    }
}
