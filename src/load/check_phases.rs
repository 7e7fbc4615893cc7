//! What a scenario's phases must be together.
//!
//! Called by `check`, whose first question it is: the other fields are judged by the window that
//! these make.

use std::ops::Range;
use std::time::Duration;

use super::check::{Fault, NAME, is_name};
use super::phases::{Phase, PhaseKind};
use super::scenario::Scenario;
use crate::limits::{PHASES_MAX, WINDOW_MIN};

/// The first contradiction among the phases.
pub(super) fn of_phases(scenario: &Scenario) -> Option<Fault> {
    let phases = &scenario.phases;
    if phases.is_empty() || phases.len() > PHASES_MAX {
        let message = format!("{} phases; 1 to {PHASES_MAX} are allowed", phases.len());
        return Some(Fault { field: "phases".to_owned(), message });
    }
    let each = (0..phases.len()).find_map(|index| {
        let found = of_name(phases, index).or_else(|| of_steady(scenario, index));
        let (field, message) = found?;
        Some(Fault { field: format!("phases[{index}].{field}"), message })
    });
    each.or_else(|| of_window(scenario))
}

fn of_name(phases: &[Phase], index: usize) -> Option<(&'static str, String)> {
    let name = &phases[index].name;
    if !is_name(name) {
        return Some(("name", format!("{name:?} is not a phase's name: {NAME}")));
    }
    let taken = phases[..index].iter().any(|earlier| earlier.name == *name);
    taken.then(|| ("name", format!("{name:?} is taken; every phase has its own name")))
}

/// A window that may begin earlier than written must find the same load wherever it begins.
fn of_steady(scenario: &Scenario, index: usize) -> Option<(&'static str, String)> {
    let phases = &scenario.phases;
    let phase = &phases[index];
    if !phase.until_steady {
        return None;
    }
    let others = |phase: &Phase| phase.kind.is_measured() && phase.is_flat();
    let message = if phase.kind != PhaseKind::WarmUp || index > 0 {
        "only a warm-up, and only the first phase, ends when the service is steady"
    } else if !phases[1..].iter().all(|after| others(after) && after.start == phase.start) {
        "after it there may only be `measure` and `soak`, at the warm-up's own rate: nobody knows \
         beforehand when it ends"
    } else if scenario.groups.iter().any(|class| !class.away.is_empty()) {
        "members that go away do so at a time that is known beforehand"
    } else {
        return None;
    };
    Some(("until", message.to_owned()))
}

fn of_window(scenario: &Scenario) -> Option<Fault> {
    let phases = &scenario.phases;
    let fault = |index: Option<usize>, message: String| {
        let field =
            index.map_or_else(|| "phases".to_owned(), |index| format!("phases[{index}].kind"));
        Some(Fault { field, message })
    };
    let window: Range<Duration> = scenario.window();
    if window.is_empty() {
        let message = "nothing is measured: one phase is to be a `measure` or a `soak`".to_owned();
        return fault(None, message);
    }
    let inside = |phase: &&Phase| window.contains(&phase.from) && !phase.kind.is_measured();
    if let Some(index) = phases.iter().position(|phase| inside(&phase)) {
        let message = "what is measured is one window: phases of kind `measure` and `soak` follow \
                       each other directly";
        return fault(Some(index), message.to_owned());
    }
    let length = window.end - window.start;
    if length < WINDOW_MIN {
        return fault(None, format!("{length:?} are measured; {WINDOW_MIN:?} are the least"));
    }
    let course = scenario.course();
    (course.work(window.end) == course.work(window.start)).then(|| Fault {
        field: "phases".to_owned(),
        message: "nothing is offered while it is measured".to_owned(),
    })
}
