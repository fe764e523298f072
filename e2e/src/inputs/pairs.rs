//! Pairs chosen by a seed.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// At most `count` pairs of the numbers below `all`, the smaller one first, none twice, each of two that go together. The
/// same seed gives the same pairs. A number that was taken less often is taken first: so all are taken, if there is room.
pub fn pairs(
    all: usize,
    go_together: impl Fn(usize, usize) -> bool,
    seed: u64,
    count: usize,
) -> Vec<(usize, usize)> {
    let mut left: Vec<(usize, usize)> = (0..all)
        .flat_map(|first| (first + 1..all).map(move |second| (first, second)))
        .filter(|(first, second)| go_together(*first, *second))
        .collect();
    left.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut taken = vec![0_usize; all];
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let rarest = |(_, pair): &(usize, &(usize, usize))| taken[pair.0] + taken[pair.1];
        let Some(position) = left
            .iter()
            .enumerate()
            .min_by_key(rarest)
            .map(|(position, _)| position)
        else {
            break;
        };
        let pair = left.remove(position);
        taken[pair.0] += 1;
        taken[pair.1] += 1;
        chosen.push(pair);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inputs;

    fn of_inputs(seed: u64, count: usize) -> Vec<(usize, usize)> {
        let all = inputs::all(18);
        pairs(all.len(), |a, b| all[a].goes_with(all[b]), seed, count)
    }

    #[test]
    fn a_seed_repeats_its_pairs_and_another_one_has_others() {
        assert_eq!(of_inputs(7, 12), of_inputs(7, 12));
        assert_ne!(of_inputs(7, 12), of_inputs(8, 12));
        assert_eq!(of_inputs(7, 20)[..12], of_inputs(7, 12));
    }

    #[test]
    fn no_pair_occurs_twice_and_both_go_together() {
        let all = inputs::all(18);
        for seed in 0..50 {
            let chosen = of_inputs(seed, 40);
            assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 40);
            for (first, second) in chosen {
                assert!(first < second && all[first].goes_with(all[second]));
                assert_ne!(all[first].part, all[second].part);
            }
        }
    }

    #[test]
    fn as_many_pairs_as_inputs_take_every_input() {
        let all = inputs::all(18).len();
        for seed in 0..50 {
            let taken: BTreeSet<usize> = of_inputs(seed, all)
                .into_iter()
                .flat_map(|(a, b)| [a, b])
                .collect();
            assert_eq!(taken.len(), all, "seed {seed}");
        }
    }

    #[test]
    fn what_goes_with_nothing_is_in_no_pair_and_a_run_ends_when_no_pair_is_left() {
        let alone = |first: usize, second: usize| first != 2 && second != 2;
        let mut chosen = pairs(4, alone, 1, 100);
        chosen.sort_unstable();
        assert_eq!(chosen, [(0, 1), (0, 3), (1, 3)]);
        assert_eq!(pairs(4, |_, _| false, 1, 3), []);
        assert_eq!(pairs(0, |_, _| true, 1, 3), []);
        assert_eq!(pairs(9, |_, _| true, 1, 0), []);
    }
}
