use super::*;
use base::StorageId;
use bytes::Bytes;

fn chunk(min: &str, max: &str, bytes: u64) -> ChunkMeta {
    ChunkMeta {
        file: format!("{min}-{max}"),
        min_key: Bytes::copy_from_slice(min.as_bytes()),
        max_key: Bytes::copy_from_slice(max.as_bytes()),
        rows: 1,
        bytes,
        crc32c: 0,
        mixed: false,
    }
}

/// Runs that end at 10, 20, 30 …
fn table(base: Vec<ChunkMeta>, runs: Vec<Vec<ChunkMeta>>) -> TableChunks {
    let run = |(i, chunks): (u64, Vec<ChunkMeta>)| Run {
        lo: Timestamp(i * 10),
        hi: Timestamp(i * 10 + 10),
        chunks,
    };
    let runs = (0..).zip(runs).map(run).collect();
    TableChunks { chunks: base, runs, ..TableChunks::new(StorageId(100)) }
}

/// Runs over all keys, over a base that is too large to be rewritten for them.
fn sized(sizes: &[u64]) -> TableChunks {
    let runs = sizes.iter().map(|bytes| vec![chunk("a", "z", *bytes)]).collect();
    table(vec![chunk("a", "z", 1_000_000)], runs)
}

fn best(table: &TableChunks, horizon: u64) -> Option<Choice> {
    choose(table, (Timestamp(horizon), Timestamp::ZERO), 8, false)
}

#[test]
fn runs_go_into_the_base_when_they_are_large_against_what_they_touch() {
    let base = || vec![chunk("a", "f", 1000), chunk("g", "m", 1000), chunk("n", "z", 1000)];
    let wide = |bytes| table(base(), vec![vec![chunk("b", "y", bytes)]]);
    assert_eq!(best(&wide(700), 10), None);
    assert_eq!(best(&wide(750), 10), Some(Choice::IntoBase(1)));
    let narrow = table(base(), vec![vec![chunk("h", "i", 250)]]);
    assert_eq!(best(&narrow, 10), Some(Choice::IntoBase(1)), "one chunk is touched");
}

#[test]
fn what_a_reader_may_still_need_stays_out_of_the_base() {
    let wide = || vec![chunk("b", "y", 500)];
    let table = table(vec![chunk("a", "z", 1000)], vec![wide(), wide(), wide()]);
    assert_eq!(best(&table, 25), Some(Choice::IntoBase(2)));
    assert_eq!(best(&table, 9), None);
}

#[test]
fn files_that_overlap_nothing_cost_nothing() {
    let base = || vec![chunk("a", "f", 1_000_000)];
    let appended = table(base(), vec![vec![chunk("g", "h", 10)], vec![chunk("i", "k", 10)]]);
    assert_eq!(best(&appended, 20), Some(Choice::IntoBase(2)));
    assert_eq!(adoptable(&appended.chunks, &appended.runs).len(), 2);
    assert_eq!(
        choose(&appended, (Timestamp(20), Timestamp::ZERO), 2, true),
        Some(Choice::IntoBase(2))
    );
    let overlapping = table(base(), vec![vec![chunk("g", "m", 10)], vec![chunk("i", "k", 10)]]);
    assert!(adoptable(&overlapping.chunks, &overlapping.runs).is_empty());
    let nested = table(
        Vec::new(),
        vec![vec![chunk("a", "z", 1)], vec![chunk("b", "c", 1), chunk("d", "e", 1)]],
    );
    assert!(adoptable(&nested.chunks, &nested.runs).is_empty());
    let mut mixed = table(base(), vec![vec![chunk("g", "h", 10)]]);
    mixed.runs[0].chunks[0].mixed = true;
    assert!(adoptable(&mixed.chunks, &mixed.runs).is_empty());
}

#[test]
fn neighbours_of_like_size_are_joined() {
    assert_eq!(best(&sized(&[10, 10, 10]), 90), None);
    assert_eq!(best(&sized(&[10, 10, 10, 10]), 90), Some(Choice::Join(0..4)));
    assert_eq!(best(&sized(&[100, 9, 11, 10, 10]), 90), Some(Choice::Join(1..5)));
    assert_eq!(best(&sized(&[40, 40, 40, 10, 10, 10]), 90), Some(Choice::Join(0..6)));
    assert_eq!(best(&sized(&[400, 100, 30, 10]), 90), None);
}

#[test]
fn old_and_young_runs_are_joined_apart_unless_there_are_too_many() {
    let sizes = [10, 10, 10, 10, 10, 10];
    assert_eq!(best(&sized(&sizes), 30), None);
    assert_eq!(best(&sized(&sizes), 20), Some(Choice::Join(2..6)));
    assert_eq!(best(&sized(&sizes), 40), Some(Choice::Join(0..4)));
}

#[test]
fn a_run_that_spans_half_of_the_readable_time_is_left_to_grow_old() {
    let mut spread = sized(&[10, 10, 10, 10, 10]);
    assert_eq!(best(&spread, 0), Some(Choice::Join(0..5)));
    spread.runs[0].hi = Timestamp(30);
    for run in &mut spread.runs[1..] {
        (run.lo, run.hi) = (Timestamp(run.lo.0 + 20), Timestamp(run.hi.0 + 20));
    }
    // 30 of the 70 that can be read, then 30 of 60.
    assert_eq!(best(&spread, 0), Some(Choice::Join(0..5)));
    assert_eq!(best(&spread, 10), Some(Choice::Join(1..5)));
}

#[test]
fn there_are_never_too_many() {
    let at = |horizon| (Timestamp(horizon), Timestamp::ZERO);
    let sizes = [900, 300, 90, 28, 9, 4, 2, 1];
    assert_eq!(choose(&sized(&sizes), at(90), 9, true), None);
    assert_eq!(choose(&sized(&sizes), at(90), 8, true), Some(Choice::Join(6..8)));
    assert_eq!(choose(&sized(&[1_000, 1]), at(0), 1, true), Some(Choice::Join(0..2)));
    // Whatever comes, a loop of spills and merges stays bounded and ends.
    let mut runs = vec![];
    for n in 0..2000_u64 {
        runs.push(1 + (n * 7919) % 50);
        while let Some(choice) = choose(&sized(&runs), at(0), 8, false) {
            let Choice::Join(range) = choice else { panic!("nothing is old enough") };
            let sum = runs[range.clone()].iter().sum();
            runs.splice(range, [sum]);
        }
        assert!(runs.len() < 8, "{runs:?}");
    }
}

#[test]
fn what_another_merge_has_in_its_hands_is_left_alone() {
    let cheap = table(vec![chunk("a", "z", 10)], vec![vec![chunk("a", "z", 10)]; 8]);
    let choice = |claimed, hurry| choose(&cheap, (Timestamp(80), Timestamp(claimed)), 8, hurry);
    assert_eq!(choice(0, false), Some(Choice::IntoBase(8)));
    assert_eq!(choice(40, false), Some(Choice::Join(4..8)));
    assert_eq!(choice(50, true), Some(Choice::Join(5..8)), "there are too many");
    assert_eq!(choice(70, true), None);
}
