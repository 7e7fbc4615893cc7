//! What several rounds say of one figure: its median and how far it strayed.
//!
//! Pure, and the same in every record. Called by whoever measures in rounds.

use serde::{Deserialize, Serialize};

/// A figure over rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle value; of an even number of them the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values; `None` when there is none, or one that is no number.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let median = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
        (min.is_finite() && max.is_finite()).then_some(Self { median, min, max })
    }
}
