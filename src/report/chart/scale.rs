//! Scales: where a value lies between the ends of an axis, and where its ticks stand.
//!
//! Linear and logarithmic, the latter by decades or by doublings. Ends are rounded outwards to ticks, so that nothing lies on the frame
//! by accident. A value that a scale cannot hold lies at its nearest end. Called by `draw`.

use super::unit::Unit;

/// Ticks of an axis at most, about: more would touch each other on a desk's screen.
const TICKS: f64 = 8.0;

/// Decades of a logarithmic axis beyond which only they, and not what is between, have ticks.
const DECADES_WITH_STEPS: f64 = 3.2;

/// Decades beyond which its steps leave room for powers alone where there is little of it.
const DECADES_WITH_SPARE_STEPS: f64 = 1.4;

/// A value's place on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    unit: Unit,
    from: f64,
    to: f64,
    kind: Kind,
}

/// How a scale goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Each unit takes as much room.
    Linear,
    /// Each decade does, and has ticks within.
    Decades,
    /// Each doubling does, and is a tick.
    Doublings,
}

/// A tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where it stands, in the axis's unit.
    pub value: f64,
    /// From 0 at the axis's start to 1 at its end.
    pub place: f64,
    /// What is written there.
    pub text: String,
    /// Left out where there is little room.
    pub spare: bool,
}

impl Scale {
    /// From `from` to the first tick that is not below the largest of `values`.
    #[must_use]
    pub fn linear(unit: Unit, from: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let highest = finite(values).fold(from, f64::max);
        let highest = if highest > from { highest } else { from + 1.0 };
        let step = unit.step((highest - from) / TICKS);
        let to = from + ((highest - from) / step * (1.0 - 1e-9)).ceil().max(1.0) * step;
        Self { unit, from, to, kind: Kind::Linear }
    }

    /// From `from` to `to` as they are, which are not the same.
    #[must_use]
    pub fn exact(unit: Unit, from: f64, to: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { unit, from, to, kind: Kind::Linear }
    }

    /// Logarithmic, over all positive `values`, out to a 1, 2 or 5 of a decade, of bytes as they are
    /// written: 1, 10 and 100 of each power of 1,024 stand for decades. Without any, one decade.
    #[must_use]
    pub fn log(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values).unwrap_or((1.0, 10.0));
        let (from, to) = (step_down(unit, low), step_up(unit, high));
        let to = if to > from { to } else { step_up(unit, from * 10.0) };
        Self { unit, from, to, kind: Kind::Decades }
    }

    /// Logarithmic, over all positive `values`, out to powers of two, with ticks at those: of what
    /// people double. Without any, and around one value alone, two doublings.
    #[must_use]
    pub fn doubling(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = ends(values).unwrap_or((2.0, 2.0));
        let (from, to) = ((low.log2() + 1e-9).floor(), (high.log2() - 1e-9).ceil());
        let (from, to) = if to > from { (from, to) } else { (from - 1.0, from + 1.0) };
        Self { unit, from: from.exp2(), to: to.exp2(), kind: Kind::Doublings }
    }

    /// The quantiles of up to `count` values: from 0% to that of the last one. In it 1 / (1 -
    /// quantile) counts, and each further nine takes as much room.
    #[must_use]
    pub fn tail(count: f64) -> Self {
        Self { unit: Unit::Tail, from: 1.0, to: count.max(10.0), kind: Kind::Decades }
    }

    /// What its numbers are.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Whether each decade takes as much room.
    #[must_use]
    pub fn is_log(&self) -> bool {
        self.kind != Kind::Linear
    }

    /// From 0 at the start to 1 at the end.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let place = if self.is_log() {
            (value.max(f64::MIN_POSITIVE) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// Ticks in order; those that are not needed where room is little are spare.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        let values = match (self.unit, self.kind) {
            (Unit::Tail, _) => self.tail_values(),
            (_, Kind::Decades) => self.log_values(),
            (_, Kind::Doublings) => self.doublings(),
            (_, Kind::Linear) => self.linear_values(),
        };
        let crowded = values.len() > 5;
        let decades = self.kind == Kind::Decades;
        let powers_stay = decades && (self.to / self.from).log10() > DECADES_WITH_SPARE_STEPS;
        let is_power = |value: f64| {
            let power = (value / thousands(self.unit, value)).log10();
            (power - power.round()).abs() < 1e-9
        };
        let ticks = values.into_iter().enumerate().map(|(index, value)| Tick {
            value,
            place: self.place(value),
            text: self.unit.tick(value),
            spare: match powers_stay && self.has_steps() {
                true => !is_power(value),
                false => crowded && index % 2 == 1,
            },
        });
        ticks.collect()
    }

    fn linear_values(&self) -> Vec<f64> {
        let step = self.unit.step((self.to - self.from) / TICKS);
        let first = (self.from / step * (1.0 - 1e-9)).ceil();
        let values = (0..).map(|index| (first + f64::from(index)) * step);
        values.take_while(|value| *value <= self.to + step * 1e-6).collect()
    }

    fn log_values(&self) -> Vec<f64> {
        let steps: &[f64] = if self.has_steps() { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let (first, last) = (exponent(self.from) - 1, exponent(self.to));
        let powers: Vec<f64> = match self.unit {
            Unit::Bytes => {
                let thousand = |index: i32| 1_024_f64.powi(index);
                let whole = (0..=last.max(0) / 3)
                    .flat_map(|of| [1.0, 10.0, 100.0].map(|power| power * thousand(of)));
                (first..0).map(|power| 10_f64.powi(power)).chain(whole).collect()
            }
            _ => (first..=last).map(|power| 10_f64.powi(power)).collect(),
        };
        let values = powers.iter().flat_map(|power| steps.iter().map(move |step| step * power));
        let values: Vec<f64> = values.filter(|value| self.holds(*value)).collect();
        if self.has_steps() {
            return values;
        }
        let decades = (self.to / self.from).log10();
        let every = (1..).find(|every| decades / f64::from(*every) <= TICKS).unwrap_or(1_u32);
        values.into_iter().step_by(usize::try_from(every).unwrap_or(usize::MAX)).collect()
    }

    /// Every power of two, or of as many as leave room.
    fn doublings(&self) -> Vec<f64> {
        let count = (self.to / self.from).log2().round();
        let every = (count / TICKS).ceil().max(1.0);
        let places = (0_u16..).map(|index| f64::from(index) * every);
        places.take_while(|place| *place <= count).map(|place| self.from * place.exp2()).collect()
    }

    /// Whether there is room for ticks between powers of ten.
    fn has_steps(&self) -> bool {
        self.unit != Unit::Tail && (self.to / self.from).log10() <= DECADES_WITH_STEPS
    }

    fn tail_values(&self) -> Vec<f64> {
        let nines = (1..=exponent(self.to)).map(|power| 10_f64.powi(power));
        [1.0, 2.0].into_iter().chain(nines).filter(|value| self.holds(*value)).collect()
    }

    fn holds(&self, value: f64) -> bool {
        (self.from * (1.0 - 1e-9)..=self.to * (1.0 + 1e-9)).contains(&value)
    }
}

fn finite(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = f64> {
    values.into_iter().filter(|value| value.is_finite())
}

/// The least and the largest of what is positive.
fn ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let positive = finite(values).filter(|value| *value > 0.0);
    positive.fold(None, |ends, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// The power of ten that is not above a positive `value`.
#[expect(clippy::cast_possible_truncation, reason = "between -308 and 308")]
fn exponent(value: f64) -> i32 {
    (value.log10() + 1e-9).floor() as i32
}

/// What a value's digits are counted from: of bytes the power of 1,024 that it is written with.
fn thousands(unit: Unit, value: f64) -> f64 {
    let power = exponent(value).max(0) / 3;
    match unit {
        // Below a power of 1,024 the one of 1,000 is already passed.
        Unit::Bytes if value < 1_024_f64.powi(power) * (1.0 - 1e-9) => 1_024_f64.powi(power - 1),
        Unit::Bytes => 1_024_f64.powi(power),
        _ => 1.0,
    }
}

/// The largest 1, 2 or 5 of a decade that is not above `value`.
fn step_down(unit: Unit, value: f64) -> f64 {
    let whole = thousands(unit, value);
    // Between 1,000 and 1,024 of something there is no step.
    let digits = (value / whole).min(if unit == Unit::Bytes { 999.0 } else { f64::INFINITY });
    let power = 10_f64.powi(exponent(digits));
    let steps = [5.0, 2.0, 1.0].into_iter().map(|step| step * power);
    steps.into_iter().find(|step| *step <= digits * (1.0 + 1e-9)).unwrap_or(power) * whole
}

/// The smallest 1, 2, 5 or 10 of a decade that is not below `value`.
fn step_up(unit: Unit, value: f64) -> f64 {
    let whole = thousands(unit, value);
    let digits = value / whole;
    let power = 10_f64.powi(exponent(digits));
    let steps = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power);
    let step =
        steps.into_iter().find(|step| *step >= digits * (1.0 - 1e-9)).unwrap_or(10.0 * power);
    // A thousand of something is written as one of the next, which is 1,024.
    if unit == Unit::Bytes && step > 999.0 { 1_024.0 * whole } else { step * whole }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(scale: Scale) -> String {
        scale.ticks().iter().map(|tick| tick.text.clone()).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_linear_axis_ends_at_a_tick_and_has_few_of_them() {
        let check = |unit, highest, expected: &str| {
            assert_eq!(texts(Scale::linear(unit, 0.0, [highest])), expected);
        };
        check(Unit::Count, 7.3, "0, 1, 2, 3, 4, 5, 6, 7, 8");
        check(Unit::Count, 42.0, "0, 10, 20, 30, 40, 50");
        check(Unit::Micros, 3_100.0, "0 µs, 500 µs, 1 ms, 1.5 ms, 2 ms, 2.5 ms, 3 ms, 3.5 ms");
        check(Unit::Share, 1.0, "0%, 20%, 40%, 60%, 80%, 100%");
        check(Unit::Seconds, 100.0, "0 s, 15 s, 30 s, 45 s, 60 s, 75 s, 90 s, 105 s");
        check(Unit::Count, 0.0, "0, 0.2, 0.4, 0.6, 0.8, 1");
    }

    #[test]
    fn a_logarithmic_axis_has_steps_within_few_decades_and_powers_over_many() {
        let check = |values: [f64; 2], expected: &str| {
            assert_eq!(texts(Scale::log(Unit::Micros, values)), expected);
        };
        check([130.0, 4_000.0], "100 µs, 200 µs, 500 µs, 1 ms, 2 ms, 5 ms");
        check([3.0, 1.5e6], "10 µs, 100 µs, 1 ms, 10 ms, 100 ms, 1 s");
        check([0.0, 0.0], "1 µs, 2 µs, 5 µs, 10 µs");
        check([100.0, 100.0], "100 µs, 200 µs, 500 µs, 1 ms");
        assert_eq!(texts(Scale::tail(80_000.0)), "0%, 50%, 90%, 99%, 99.9%, 99.99%");
    }

    #[test]
    fn a_logarithmic_axis_of_bytes_has_ticks_that_are_round_as_written() {
        let check = |values: [f64; 2], expected: &str| {
            assert_eq!(texts(Scale::log(Unit::Bytes, values)), expected);
        };
        check([877e3, 18.7e6], "500 KiB, 1 MiB, 2 MiB, 5 MiB, 10 MiB, 20 MiB");
        check([877e3, 1.66e9], "1 MiB, 10 MiB, 100 MiB, 1 GiB");
        check([300.0, 900.0], "200 B, 500 B, 1 KiB");
        check([1.01 * 1_024e3, 3e6], "500 KiB, 1 MiB, 2 MiB, 5 MiB");
        check([1.0, 1e12], "1 B, 100 B, 10 KiB, 1 MiB, 100 MiB, 10 GiB, 1 TiB");
    }

    #[test]
    fn an_axis_of_what_is_doubled_has_its_ticks_where_that_is() {
        let check = |values: &[f64], expected: &str| {
            assert_eq!(texts(Scale::doubling(Unit::Count, values.iter().copied())), expected);
        };
        check(&[2.0, 4.0, 8.0, 16.0], "2, 4, 8, 16");
        check(&[3.0, 40.0], "2, 4, 8, 16, 32, 64");
        check(&[32.0], "16, 32, 64");
        check(&[], "1, 2, 4");
        check(&[1.0, 5_000.0], "1, 4, 16, 64, 256, 1,024, 4,096");
    }

    #[test]
    fn what_an_axis_cannot_hold_lies_at_its_end() {
        let scale = Scale::log(Unit::Count, [10.0, 1_000.0]);
        for (value, place) in [(-1.0, 0.0), (0.0, 0.0), (100.0, 0.5), (1e9, 1.0)] {
            assert!((scale.place(value) - place).abs() < 1e-9, "{value}");
        }
        assert_eq!(scale.place(f64::NAN), 0.0);
    }

    proptest! {
        #[test]
        fn every_value_lies_inside_in_its_order_and_ticks_do_too(
            mut values in prop::collection::vec(1e-3_f64..1e10, 1..20),
            kind in 0..4,
        ) {
            let of = values.iter().copied();
            let (log, scale) = match kind {
                0 => (true, Scale::log(Unit::Micros, of)),
                1 => (true, Scale::doubling(Unit::Micros, of)),
                2 => (true, Scale::log(Unit::Bytes, of)),
                _ => (false, Scale::linear(Unit::Micros, 0.0, of)),
            };
            values.sort_by(f64::total_cmp);
            let places: Vec<f64> = values.iter().map(|value| scale.place(*value)).collect();
            prop_assert!(places.is_sorted());
            // The ends are outside of all values: nothing was clamped.
            for (value, place) in values.iter().zip(&places) {
                prop_assert!((0.0..=1.0).contains(place));
                if log {
                    let back = scale.from * (scale.to / scale.from).powf(*place);
                    prop_assert!((back / value - 1.0).abs() < 1e-6, "{back} {value}");
                }
            }
            let ticks = scale.ticks();
            prop_assert!((2..=13).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.is_sorted_by(|one, next| one.place < next.place));
        }
    }
}
