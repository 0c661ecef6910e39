//! The queue of one card between a greedy and a modest caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cps_emulator::{Holder, Pki, Profile, Slot, VirtualCard};
use cps_tests::{until, virtual_readers};
use cpsd::cards::{CallerKey, CardId, Cards, Options};

use crate::Metrics;

pub(crate) fn measure(metrics: &mut Metrics) {
    let slot = Slot::new("reader");
    let pki = Pki::new(SystemTime::now());
    slot.insert(VirtualCard::new(&pki, Holder::CpsMedecin, Profile::Cps4));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let source = Box::new(virtual_readers(&slot).source());
    let cards = Cards::start(source, None, Options::default());
    let card = until("the card", || cards.find(None).ok()).id;

    let end = Instant::now() + Duration::from_secs(10);
    let greedy = Arc::new(AtomicU32::new(0));
    let modest = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = [
        (1, &greedy),
        (1, &greedy),
        (1, &greedy),
        (1, &greedy),
        (2, &modest),
    ]
    .into_iter()
    .map(|(caller, done)| {
        runtime.spawn(work(
            cards.clone(),
            card.clone(),
            CallerKey(caller),
            end,
            done.clone(),
        ))
    })
    .collect();
    for task in tasks {
        runtime.block_on(task).expect("a task");
    }
    runtime.block_on(cards.shutdown());
    let (greedy, modest) = (
        greedy.load(Ordering::Relaxed),
        modest.load(Ordering::Relaxed),
    );
    metrics.set(
        "queue.fairness_ratio",
        f64::from(greedy) / f64::from(modest),
    );
}

/// Asks for the next operation when the last is done, and counts what is done before the end.
async fn work(cards: Cards, card: CardId, caller: CallerKey, end: Instant, done: Arc<AtomicU32>) {
    while Instant::now() < end {
        let deadline = end + Duration::from_secs(60);
        let operation = cards.run(&card, caller, deadline, |_| {
            thread::sleep(Duration::from_millis(150));
            Ok(())
        });
        operation.await.expect("an operation");
        if Instant::now() < end {
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}
