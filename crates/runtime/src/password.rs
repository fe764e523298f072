//! Passwords that operators make.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};

const LENGTH: usize = 16;
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const DIGIT: &[u8] = b"0123456789";

/// 16 random letters and digits, at least one of each kind (KubeDB's rule). None needs quoting in a URL or a file.
pub fn random() -> String {
    of(&mut rand::rng())
}

fn of(rng: &mut impl Rng) -> String {
    let all: Vec<u8> = [UPPER, LOWER, DIGIT].concat();
    let mut password: Vec<u8> = [UPPER, LOWER, DIGIT]
        .iter()
        .filter_map(|kind| kind.choose(rng).copied())
        .collect();
    while password.len() < LENGTH {
        password.extend(all.choose(rng));
    }
    password.shuffle(rng);
    password.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_and_no_two_are_equal() {
        for _ in 0..100 {
            let password = random();
            assert_eq!(password.len(), LENGTH);
            for kind in [UPPER, LOWER, DIGIT] {
                assert!(password.bytes().any(|byte| kind.contains(&byte)), "{password}");
            }
        }
        assert_ne!(random(), random());
    }
}
