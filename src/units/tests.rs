//! Quantities: what is read, what is refused, and that nothing is lost.

use std::hint::black_box;

use super::*;
use proptest::prelude::*;

#[test]
fn a_duration_is_read_in_every_unit() {
    let read = |text| Phase::<0>::parse(text).map(Phase::get);
    assert_eq!(read("200ms"), Some(Duration::from_millis(200)));
    assert_eq!(read("1.5s"), Some(Duration::from_millis(1500)));
    assert_eq!(read("2 min"), Some(Duration::from_secs(120)));
    assert_eq!(read("1h"), Some(Duration::from_secs(3600)));
    assert_eq!(read("250us"), Some(Duration::from_micros(250)));
}

#[test]
fn a_duration_out_of_range_or_without_a_unit_is_refused() {
    for text in ["", "2", "s", "-1s", "1e3s", "25h", "1.s", ".5s", "1..2s", "99999999999999h"] {
        assert_eq!(Phase::<0>::parse(text), None, "{text}");
    }
    assert_eq!(Phase::<100>::parse("99ms"), None);
    assert!(Phase::<100>::parse("100ms").is_some());
}

#[test]
fn a_rate_of_zero_or_above_the_bound_is_refused() {
    assert_eq!(Rate::parse("0/s"), None);
    assert_eq!(Rate::parse("1000001/s"), None);
    assert_eq!(Rate::parse("200"), None);
    assert_eq!(Rate::parse("60/min").unwrap().as_per_second(), 1.0);
}

#[test]
fn a_rate_is_scaled_within_its_range_or_not_at_all() {
    let rate = Rate::parse("90/min").unwrap();
    assert_eq!(rate.scaled(2.0), Rate::parse("180/min"));
    assert_eq!(rate.scaled(1.0), Some(rate));
    for wrong in [0.0, -2.0, f64::NAN, f64::INFINITY, 1e9] {
        assert_eq!(rate.scaled(wrong), None, "{wrong}");
    }
}

#[test]
fn the_k_th_even_instant_has_no_drift_after_a_day() {
    let third = Rate::parse("3/s").unwrap();
    assert_eq!(third.instant(3 * 86_400), Duration::from_secs(86_400));
    let odd = Rate::parse("700/min").unwrap();
    assert_eq!(odd.instant(700 * 60 * 24), Duration::from_secs(86_400));
}

#[test]
fn a_share_of_the_first_k_is_never_a_whole_one_off() {
    let share = Share::parse("2.5%").unwrap();
    for k in 0..1000 {
        let exact = k as f64 * 0.025;
        let off = exact - share.of_first(k) as f64;
        assert!((-1e-9..1.0).contains(&off), "{k}: {off}");
    }
    assert_eq!(Share::parse("100.1%"), None);
    assert_eq!(Share::parse("0.00001%"), None);
}

#[test]
fn a_quantity_is_written_in_its_largest_whole_unit() {
    let lengths = [0, 1, 90_000, 1_500_000, 60_000_000, 7_200_000_000].map(Duration::from_micros);
    let written = ["0s", "1us", "90ms", "1500ms", "1min", "2h"];
    assert_eq!(lengths.map(written_duration), written);
    let sizes = [0, 1, 1536, 4096, 64 << 20, 1 << 40].map(written_bytes);
    assert_eq!(sizes, ["0B", "1B", "1536B", "4KiB", "64MiB", "1TiB"]);
}

#[test]
fn a_payload_is_a_whole_number_of_bytes() {
    assert_eq!(Payload::parse("200B").map(Payload::bytes), Some(200));
    assert_eq!(Payload::parse("1.5KiB").map(Payload::bytes), Some(1536));
    assert_eq!(Payload::parse("0.5B"), None);
    assert_eq!(Payload::parse("5MiB"), None);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(micros in 0_u64..1 << 44, size in 0_u64..1 << 44) {
        let length = Duration::from_micros(micros);
        prop_assert_eq!(duration(&written_duration(length)), Some(length));
        prop_assert_eq!(bytes(&written_bytes(size)), Some(size));
        let round = size >> 20 << 20;
        prop_assert_eq!(bytes(&written_bytes(round)), Some(round));
    }

    #[test]
    fn no_text_makes_a_unit_panic(text in "[0-9./%a-zA-Zµ -]{0,24}") {
        black_box(Phase::<0>::parse(&text));
        black_box(Rate::parse(&text));
        black_box(Share::parse(&text));
        black_box(Payload::parse(&text));
    }

    #[test]
    fn the_count_within_a_window_agrees_with_the_instants(
        millionths in 1_u64..5_000_000_000, nanos in 1_u64..20_000_000_000,
    ) {
        let rate = Rate::checked(millionths, 1).unwrap();
        let window = Duration::from_nanos(nanos);
        let count = rate.count_in(window);
        prop_assert!(rate.instant(count) >= window);
        prop_assert!(count == 0 || rate.instant(count - 1) < window);
    }
}
