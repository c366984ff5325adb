//! Reading the log fast: blocks of lines are read by several threads, and what they find arrives
//! in the order of time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use super::entry::Entry;
use super::segments::{Block, Segment, blocks};
use super::select::Selection;
use super::threads::work;

/// Which records come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Newest,
    Oldest,
}

/// One record that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Milliseconds since 1970; those of the line before it where a line has none.
    pub(super) millis: u64,
    /// Which of the segments.
    pub(super) segment: usize,
    /// Where in it.
    pub(super) at: u64,
    /// The line, without its line feed.
    pub(super) line: Vec<u8>,
}

impl Found {
    fn key(&self) -> (u64, usize, u64) {
        (self.millis, self.segment, self.at)
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Records that matched.
    pub(super) found: u64,
    /// Lines that are no records: torn by a crash, or changed.
    pub(super) unreadable: u64,
    /// Whether reading stopped before the end.
    pub(super) stopped: bool,
}

/// Gives the matching records in the order of time until `take` breaks.
pub(super) fn each(
    segments: &[Segment],
    selection: &Selection,
    order: Order,
    progress: &dyn Fn(u64, u64),
    mut take: impl FnMut(Found) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Tally> {
    let mut blocks = blocks(segments, selection)?;
    match order {
        Order::Newest => blocks.sort_by_key(|block| Reverse((block.latest, block.segment))),
        Order::Oldest => blocks.sort_by_key(|block| (block.earliest, block.segment)),
    }
    let mut tally = torn(segments);
    let mut waiting = BinaryHeap::new();
    let step = |(): &mut (), block: &Block, bytes: &[u8]| {
        let mut found = Vec::new();
        let mut millis = block.earliest;
        let unreadable = selection.each(bytes, |start, line, entry| {
            millis = entry.millis().unwrap_or(millis);
            let at = block.bytes.start + start as u64;
            found.push(Found { millis, segment: block.segment, at, line: line.to_vec() });
        });
        (found, unreadable)
    };
    work(
        segments,
        &blocks,
        progress,
        || (),
        step,
        |index, (found, unreadable)| {
            tally.unreadable += unreadable as u64;
            waiting.extend(found.into_iter().map(|found| Ranked { found, order }));
            // What no later block can come before is ready.
            let next = blocks.get(index + 1);
            let is_ready = |found: &Found| match (next, order) {
                (None, _) => true,
                (Some(next), Order::Newest) => found.millis > next.latest,
                (Some(next), Order::Oldest) => found.millis < next.earliest,
            };
            while waiting.peek().is_some_and(|ranked: &Ranked| is_ready(&ranked.found)) {
                let Some(ranked) = waiting.pop() else { break };
                tally.found += 1;
                if take(ranked.found)?.is_break() {
                    tally.stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(tally)
}

/// Folds the matching records, in no order: one value for each thread, to be joined.
pub(super) fn fold<S: Send>(
    segments: &[Segment],
    selection: &Selection,
    progress: &dyn Fn(u64, u64),
    make: impl Fn() -> S + Sync,
    add: impl Fn(&mut S, &Segment, &Entry<'_>) + Sync,
) -> anyhow::Result<(Vec<S>, Tally)> {
    let blocks = blocks(segments, selection)?;
    let mut tally = torn(segments);
    let step = |state: &mut S, block: &Block, bytes: &[u8]| {
        let mut found = 0u64;
        let segment = &segments[block.segment];
        let unreadable = selection.each(bytes, |_, _, entry| {
            found += 1;
            add(state, segment, &entry);
        });
        (found, unreadable as u64)
    };
    let states = work(segments, &blocks, progress, make, step, |_, (found, unreadable)| {
        tally.found += found;
        tally.unreadable += unreadable;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((states, tally))
}

fn torn(segments: &[Segment]) -> Tally {
    let torn = segments.iter().filter(|segment| segment.torn).count();
    Tally { unreadable: torn as u64, ..Tally::default() }
}

/// A record in a heap whose top comes first.
struct Ranked {
    found: Found,
    order: Order,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.order {
            Order::Newest => self.found.cmp(&other.found),
            Order::Oldest => other.found.cmp(&self.found),
        }
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use super::super::segments::segments;
    use super::super::select::Filters;
    use super::*;

    const NOTHING: &dyn Fn(u64, u64) = &|_, _| {};

    struct Log(tempfile::TempDir);

    impl Log {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn write(&self, server: &str, segment: &str, text: &str) {
            let folder = self.0.path().join(server).join("records");
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(format!("{segment}.jsonl")), text).expect("written");
        }

        /// The names of the tools found, in order, at most `limit`.
        fn read(&self, filters: &Filters, order: Order, limit: usize) -> (Vec<String>, Tally) {
            let selection = Selection::new(filters, u64::MAX / 2).expect("filters");
            let segments = segments(self.0.path(), &selection).expect("segments");
            let mut tools = Vec::new();
            let tally = each(&segments, &selection, order, NOTHING, |found| {
                let entry = Entry::parse(&found.line).expect("a record");
                tools.push(entry.tool.into_owned());
                let is_enough = tools.len() >= limit;
                Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            (tools, tally.expect("read"))
        }
    }

    fn line(tool: &str, time: &str) -> String {
        format!("{{\"event\":\"call\",\"time\":\"{time}\",\"tool\":\"{tool}\"}}\n")
    }

    fn second(number: u64) -> String {
        super::super::time::rfc3339(1_800_000_000_000 + number * 1000)
    }

    /// `count` lines from the second `from` on, one in every `step` seconds, about 1 KiB each.
    fn many(prefix: &str, from: u64, step: u64, count: u64) -> String {
        let filling = "x".repeat(900);
        let lines = (0..count).map(|number| {
            let time = second(from + number * step);
            format!(
                "{{\"detail\":\"{filling}\",\"time\":\"{time}\",\"tool\":\"{prefix}{number}\"}}\n"
            )
        });
        lines.collect()
    }

    #[test]
    fn records_of_all_servers_come_in_the_order_of_time() {
        let log = Log::new();
        log.write("a", "1", &(line("first", &second(1)) + &line("third", &second(3))));
        log.write("a", "2", &line("fourth", &second(4)));
        log.write("b", "1", &(line("second", &second(2)) + &line("fifth", &second(5))));
        log.write("b", "empty", "");
        let (oldest, tally) = log.read(&Filters::default(), Order::Oldest, usize::MAX);
        assert_eq!(oldest, ["first", "second", "third", "fourth", "fifth"]);
        assert_eq!(tally, Tally { found: 5, unreadable: 0, stopped: false });
        let (newest, tally) = log.read(&Filters::default(), Order::Newest, 2);
        assert_eq!((newest, tally.stopped), (vec!["fifth".into(), "fourth".into()], true));
    }

    #[test]
    fn every_line_of_long_overlapping_segments_comes_once_and_in_order() {
        let log = Log::new();
        log.write("a", "1", &many("a", 0, 2, 5_000));
        log.write("b", "1", &many("b", 1, 2, 5_000));
        for order in [Order::Oldest, Order::Newest] {
            let (mut tools, _) = log.read(&Filters::default(), order, usize::MAX);
            if order == Order::Newest {
                tools.reverse();
            }
            let expected: Vec<String> =
                (0..5_000).flat_map(|n| [format!("a{n}"), format!("b{n}")]).collect();
            assert!(tools == expected, "{order:?}: {} records", tools.len());
        }
    }

    #[test]
    fn a_line_longer_than_a_block_is_one_line() {
        let log = Log::new();
        let huge = format!("{{\"tool\":\"long\",\"x\":\"{}\"}}\n", "y".repeat(3 << 20));
        log.write("a", "1", &(line("before", &second(1)) + &huge + &line("after", &second(2))));
        let (tools, tally) = log.read(&Filters::default(), Order::Oldest, usize::MAX);
        assert_eq!((tools.len(), tally.unreadable), (3, 0), "{tools:?}");
    }

    #[test]
    fn torn_and_strange_lines_are_counted_and_cost_nothing_else() {
        let log = Log::new();
        log.write("a", "1", &(line("one", &second(1)) + "{\"half\":\n\n" + "{\"tool\":\"to"));
        log.write("a", "2", "{\"torn from the start");
        log.write("a", "3", &line("two", "the day after"));
        let (tools, tally) = log.read(&Filters::default(), Order::Oldest, usize::MAX);
        assert_eq!((tools.len(), tally.unreadable), (2, 3), "{tools:?}");
    }

    #[test]
    fn an_empty_log_has_no_records() {
        let log = Log::new();
        assert_eq!(log.read(&Filters::default(), Order::Newest, 9).1, Tally::default());
        std::fs::create_dir_all(log.0.path().join("a/records")).expect("a folder");
        assert_eq!(log.read(&Filters::default(), Order::Newest, 9).1, Tally::default());
    }

    fn since(number: u64, thorough: bool) -> Filters {
        let mut filters = Filters::default();
        filters.period.since = Some(second(number));
        filters.period.thorough = thorough;
        filters
    }

    #[test]
    fn what_lies_outside_the_period_is_not_even_read() {
        let log = Log::new();
        // 10,000 minutes, more than ten blocks.
        log.write("a", "1", &many("a", 0, 60, 10_000));
        let filters = since(9_000 * 60, false);
        let selection = Selection::new(&filters, 0).expect("filters");
        let segments = segments(log.0.path(), &selection).expect("segments");
        let blocks = blocks(&segments, &selection).expect("blocks");
        assert!((1..4).contains(&blocks.len()), "{} blocks", blocks.len());
        let (tools, _) = log.read(&filters, Order::Oldest, usize::MAX);
        assert_eq!((tools.len(), tools[0].as_str()), (1_000, "a9000"));
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_hides_nothing_that_matters() {
        let log = Log::new();
        let day = 86_400;
        // Small segments are always read; of long ones, what is longer than a block.
        log.write(
            "a",
            "1",
            &(line("a", &second(1)) + &line("jumped", &second(9 * day)) + &line("b", &second(2))),
        );
        log.write(
            "b",
            "1",
            &(many("x", 0, 1, 500) + &many("y", 9 * day, 1, 3_000) + &many("z", 500, 1, 500)),
        );
        let (tools, _) = log.read(&since(8 * day, false), Order::Oldest, usize::MAX);
        assert_eq!(tools.iter().filter(|tool| tool.starts_with('y')).count(), 3_000);
        assert!(tools.contains(&"jumped".to_owned()), "{}", tools.len());
        // A single line in a long segment needs the thorough way.
        let hidden = line("hidden", &second(20 * day));
        log.write("c", "1", &(many("x", 0, 1, 500) + &hidden + &many("z", 500, 1, 500)));
        assert!(log.read(&since(19 * day, false), Order::Oldest, 9).0.is_empty());
        assert_eq!(log.read(&since(19 * day, true), Order::Oldest, 9).0, ["hidden"]);
    }

    #[test]
    fn folding_sees_what_reading_sees() {
        let log = Log::new();
        log.write("a", "1", &many("a", 0, 1, 3_000));
        log.write("b", "1", &(line("one", &second(1)) + "torn\n"));
        let selection = Selection::new(&Filters::default(), 0).expect("filters");
        let segments = segments(log.0.path(), &selection).expect("segments");
        let count = |count: &mut u64, _: &Segment, _: &Entry<'_>| *count += 1;
        let (counts, tally) = fold(&segments, &selection, NOTHING, || 0, count).expect("read");
        assert_eq!(counts.iter().sum::<u64>(), 3_001);
        assert_eq!((tally.found, tally.unreadable), (3_001, 1));
    }

    #[test]
    fn a_segment_that_goes_away_is_an_error_that_names_it() {
        let log = Log::new();
        log.write("a", "1", &line("one", &second(1)));
        let selection = Selection::new(&Filters::default(), 0).expect("filters");
        let segments = segments(log.0.path(), &selection).expect("segments");
        std::fs::remove_file(&segments[0].path).expect("removed");
        let count = |count: &mut u64, _: &Segment, _: &Entry<'_>| *count += 1;
        let error = fold(&segments, &selection, NOTHING, || 0, count).expect_err("an error");
        assert!(format!("{error:#}").contains("1.jsonl"), "{error:#}");
    }
}
