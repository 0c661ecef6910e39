use proptest::prelude::*;

use super::*;
use crate::testing::NOW;

#[test]
fn new_address_is_due_at_once() {
    assert!(CrlSchedule::new(7, NOW).is_due(NOW));
}

#[test]
fn second_caller_does_not_fetch_while_one_does() {
    let mut schedule = CrlSchedule::new(7, NOW);
    schedule.started(NOW);
    assert!(!schedule.is_due(NOW));
    assert_eq!(schedule.last_attempt(), Some(NOW));
    assert!(
        schedule.is_due(NOW + FIRST_RETRY),
        "a fetch that died is taken up again"
    );
}

#[test]
fn success_is_followed_by_a_day_of_silence() {
    let mut schedule = CrlSchedule::new(7, NOW);
    schedule.succeeded(NOW);
    assert!(!schedule.is_due(NOW + DAY - SignedDuration::from_secs(1)));
    assert!(schedule.is_due(NOW + DAY + DAILY_SPREAD));
}

#[test]
fn refusal_is_followed_by_a_day_of_silence() {
    let mut schedule = CrlSchedule::new(7, NOW);
    schedule.failed(NOW, FetchFailure::Refused);
    assert!(!schedule.is_due(NOW + DAY - SignedDuration::from_secs(1)));
}

#[test]
fn addresses_are_spread() {
    let next = |jitter| {
        let mut schedule = CrlSchedule::new(jitter, NOW);
        schedule.succeeded(NOW);
        schedule.next_fetch()
    };
    let mut times: Vec<_> = (0..32).map(next).collect();
    times.sort();
    times.dedup();
    assert!(times.len() > 24);
    assert!(
        times[31 - (32 - times.len())].duration_since(times[0]) > SignedDuration::from_hours(2)
    );
}

#[test]
fn success_forgets_the_failures() {
    let mut schedule = CrlSchedule::new(7, NOW);
    for _ in 0..5 {
        schedule.failed(NOW, FetchFailure::Unreachable);
    }
    assert_eq!(schedule.failures(), 5);
    schedule.succeeded(NOW);
    schedule.failed(NOW, FetchFailure::Unreachable);
    assert!(schedule.next_fetch() <= NOW + FIRST_RETRY * 2);
}

#[test]
fn clock_set_back_does_not_silence_the_address() {
    let mut schedule = CrlSchedule::new(7, NOW);
    schedule.succeeded(NOW);
    assert!(schedule.is_due(NOW - SignedDuration::from_hours(24 * 365)));
}

#[test]
fn state_survives_a_restart() {
    let mut schedule = CrlSchedule::new(7, NOW);
    schedule.failed(NOW, FetchFailure::Invalid);
    let text = serde_json::to_string(&schedule).unwrap();
    assert_eq!(
        serde_json::from_str::<CrlSchedule>(&text).unwrap(),
        schedule
    );
}

proptest! {
    /// A server that never answers is asked fewer and fewer times, and never more than daily at
    /// the end.
    #[test]
    fn waits_grow_up_to_a_day(jitter in any::<u32>()) {
        let mut schedule = CrlSchedule::new(jitter, NOW);
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..20 {
            schedule.failed(now, FetchFailure::Unreachable);
            waits.push(schedule.next_fetch().duration_since(now));
            now = schedule.next_fetch();
        }
        prop_assert!(waits[0] >= FIRST_RETRY && waits[0] <= FIRST_RETRY * 2);
        prop_assert!(waits.windows(2).take(8).all(|pair| pair[1] > pair[0]));
        prop_assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT));
        prop_assert!(waits[19] >= DAY);
        let first_day = waits.iter().scan(SignedDuration::ZERO, |sum, wait| {
            *sum += *wait;
            Some(*sum)
        });
        prop_assert!(first_day.take_while(|sum| *sum < DAY).count() <= 9);
    }

    #[test]
    fn any_clock_is_handled(seconds in -377_705_023_201_i64..=253_402_207_200, jitter in any::<u32>()) {
        let Ok(now) = Timestamp::from_second(seconds) else { return Ok(()); };
        let mut schedule = CrlSchedule::new(jitter, now);
        schedule.started(now);
        schedule.succeeded(now);
        schedule.failed(now, FetchFailure::Refused);
        let _ = schedule.is_due(NOW);
    }
}
