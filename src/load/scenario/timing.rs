//! Phases as a scenario writes them: each with a length, and a rate or two.
//!
//! Fills in what is left out and lays them end to end; whether they make sense together is
//! `check`'s to say. Called by `written`.

use std::time::Duration;

use serde::Deserialize;

use crate::load::check::Fault;
use crate::load::phases::{Phase, PhaseKind};
use crate::units::{Factor, Phase as Length};

/// One `[[phases]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPhase {
    kind: PhaseKind,
    name: Option<String>,
    r#for: Length<1>,
    until: Option<Until>,
    rate: Option<Factor>,
    from: Option<Factor>,
    to: Option<Factor>,
}

/// What a phase may end for before its time is over.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Until {
    /// The service is as it will be.
    Steady,
}

/// Lays phases end to end.
///
/// # Errors
/// When one has the rates of another kind of phase.
pub(super) fn resolve(written: &[WrittenPhase]) -> Result<Vec<Phase>, Fault> {
    let mut phases: Vec<Phase> = Vec::with_capacity(written.len());
    for (index, one) in written.iter().enumerate() {
        let before = phases.last();
        let (start, end) =
            rates(one, before.map(|before| before.end)).map_err(|(field, message)| Fault {
                field: format!("phases[{index}].{field}"),
                message: message.to_owned(),
            })?;
        let from = before.map_or(Duration::ZERO, Phase::to);
        let alike = phases.iter().filter(|phase| phase.kind == one.kind).count();
        let name = one.name.clone().unwrap_or_else(|| match alike {
            0 => one.kind.name().to_owned(),
            _ => format!("{}-{}", one.kind.name(), alike + 1),
        });
        phases.push(Phase {
            kind: one.kind,
            name,
            from,
            length: one.r#for.get(),
            start,
            end,
            until_steady: one.until.is_some(),
        });
    }
    Ok(phases)
}

/// The share of the rate at both ends of a phase, or the field that is not as its kind has it.
fn rates(
    phase: &WrittenPhase,
    before: Option<Factor>,
) -> Result<(Factor, Factor), (&'static str, &'static str)> {
    if phase.kind == PhaseKind::Ramp {
        if phase.rate.is_some() {
            return Err(("rate", "a ramp has no one rate; it goes `from` one `to` another"));
        }
        let to = phase.to.ok_or(("to", "missing field `to`: where the ramp ends"))?;
        // It goes on where the phase before it has ended, and the first from nothing.
        return Ok((phase.from.or(before).unwrap_or(Factor::NONE), to));
    }
    if phase.from.is_some() {
        return Err(("from", "only a ramp goes from one rate to another; write `rate`"));
    }
    if phase.to.is_some() {
        return Err(("to", "only a ramp goes from one rate to another; write `rate`"));
    }
    let needs_one = matches!(phase.kind, PhaseKind::Step | PhaseKind::Spike);
    match phase.rate {
        Some(rate) => Ok((rate, rate)),
        None if needs_one => Err(("rate", "missing field `rate`: a step or a spike is one")),
        None => Ok((Factor::ONE, Factor::ONE)),
    }
}
