//! A distribution that is over, packed into a few hundred bytes.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::load::recorder::Series;

/// What is asked for often, and the whole distribution without its empty tens of kilobytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// How many values.
    pub count: u64,
    /// The median, in microseconds; 0 when empty.
    pub p50_us: u64,
    /// 99 % of the values do not exceed it; 0 when empty.
    pub p99_us: u64,
    /// The longest, to 3 significant digits; 0 when empty.
    pub max_us: u64,
    /// HdrHistogram V2; nothing when empty.
    bytes: Box<[u8]>,
}

impl Packed {
    /// Of a series as it is now.
    #[must_use]
    pub fn of(series: &Series) -> Self {
        if series.count() == 0 {
            return Self::default();
        }
        Self {
            count: series.count(),
            p50_us: series.quantile_us(0.5),
            p99_us: series.quantile_us(0.99),
            max_us: series.max_us(),
            bytes: series.to_bytes().into(),
        }
    }

    /// The whole distribution again.
    ///
    /// # Panics
    /// Never: only a series is packed.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        if self.bytes.is_empty() {
            return Series::default().histogram().clone();
        }
        Deserializer::new().deserialize(&mut &self.bytes[..]).expect("a series was packed")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_packed_is_the_whole_series() {
        let mut series = Series::default();
        for millis in [1, 2, 2, 90_000] {
            series.record(Duration::ZERO, Duration::from_millis(millis));
        }
        let packed = Packed::of(&series);
        assert!(&packed.histogram() == series.histogram());
        assert_eq!((packed.count, packed.p50_us, packed.max_us), (4, 2_000, series.max_us()));
        assert_eq!(packed.p99_us, series.quantile_us(0.99));
        series.clear();
        assert_eq!((series.count(), series.max_us()), (0, 0));
        assert_eq!(Packed::of(&series), Packed::default());
        assert_eq!(Packed::default().histogram().len(), 0);
    }
}
