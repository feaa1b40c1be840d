//! Several nodes, each with its share of a limit and no word between them.

use super::*;

#[test]
fn several_nodes_together_hold_the_bound_that_is_documented() {
    for (nodes, count) in (1..=6_u32).flat_map(|nodes| (1..=20_u32).map(move |count| (nodes, count))) {
        let share = quota(&format!("{count}/1m")).divided(NonZeroU32::new(nodes).unwrap());
        let limiters: Vec<_> = (0..nodes).map(|_| Limiter::new()).collect();
        let take = |now| -> usize {
            let ask = |limiter: &Limiter| {
                (0..60).filter(|_| limiter.admit(&[charge(1, 0, share)], now).admitted).count()
            };
            limiters.iter().map(ask).sum()
        };
        let at_once = take(NOW);
        assert!(
            (count as usize..=(count + nodes - 1) as usize).contains(&at_once),
            "{count}/1m on {nodes}: {at_once}"
        );
        let hour: usize = (1..=60).map(|minute| take(NOW + Duration::from_mins(minute))).sum();
        assert!(at_once + hour <= (count + nodes - 1 + 60 * count) as usize, "{count}/1m on {nodes}: {hour}");
    }
}
