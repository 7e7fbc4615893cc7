//! The same scenario at another rate: what a sweep and a search for capacity vary.
//!
//! Everything but the rates stays as it is: groups, members, seed, phases. Called by `campaign`
//! and `cli`.

use super::check::{Fault, first_fault};
use super::scenario::{Class, Scenario, Source};

impl Scenario {
    /// Every class at `factor` times its rate.
    ///
    /// # Errors
    /// When a class would have no rate that can be paced, or the scenario more operations than
    /// one may have. The fault names the field.
    pub fn with_rate_factor(&self, factor: f64) -> Result<Self, Fault> {
        let mut scaled = self.clone();
        for (index, class) in scaled.groups.iter_mut().enumerate() {
            class.rate = class.rate.scaled(factor).ok_or_else(|| Fault {
                field: format!("groups[{index}].rate"),
                message: format!("{:?} x {factor} is not a rate that can be offered", class.rate),
            })?;
        }
        first_fault(&scaled).map_or(Ok(scaled), Err)
    }

    /// Operations that all classes together offer in a second at the full rate, races' included.
    #[must_use]
    pub fn offered_per_second(&self) -> f64 {
        let of = |class: &Class| {
            let each = if class.source == Source::Live { f64::from(class.racers) } else { 1.0 };
            class.rate.as_per_second() * each
        };
        self.groups.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let text = include_str!("../../scenarios/smoke.toml");
        Scenario::parse(text, "smoke.toml").unwrap()
    }

    #[test]
    fn a_factor_scales_every_class_and_nothing_else() {
        let (one, half) = (scenario(), scenario().with_rate_factor(0.5).unwrap());
        for (class, halved) in one.groups.iter().zip(&half.groups) {
            assert_eq!(halved.rate.as_per_second(), class.rate.as_per_second() / 2.0);
        }
        let mut back = half;
        back.groups.iter_mut().zip(&one.groups).for_each(|(class, was)| class.rate = was.rate);
        assert_eq!(back, one);
    }

    #[test]
    fn what_is_offered_in_a_second_counts_every_racer() {
        assert_eq!(scenario().offered_per_second(), 20.0 + 2.0 * 2.0 + 20.0);
    }

    #[test]
    fn a_factor_that_leaves_no_rate_or_too_many_operations_is_refused_by_field() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e9] {
            let fault = scenario().with_rate_factor(wrong).unwrap_err();
            assert_eq!(fault.field, "groups[0].rate", "{wrong}: {fault:?}");
        }
        let text = include_str!("../../scenarios/smoke.toml").replace("\"2s\"", "\"20s\"");
        let longer = Scenario::parse(&text, "smoke.toml").unwrap();
        let fault = longer.with_rate_factor(45_000.0).unwrap_err();
        assert!(fault.message.contains("operations"), "{fault:?}");
    }
}
