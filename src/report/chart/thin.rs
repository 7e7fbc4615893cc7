//! Fewer points of a long series, without losing a peak.
//!
//! Each stretch keeps its lowest and its highest point, so that a line looks as it did and a peak
//! of one second in a day is still there. Never averages. Called by `draw`.

use super::plot::Point;

/// At most about `most` of `points`, in their order: all of them if there are few, else the first,
/// the last, and of each stretch the lowest and the highest.
#[must_use]
pub fn thin(points: &[Point], most: usize) -> Vec<Point> {
    let most = most.max(4);
    if points.len() <= most {
        return points.to_vec();
    }
    let stretches = (most - 2) / 2;
    let mut kept = vec![points[0]];
    let inner = &points[1..points.len() - 1];
    for stretch in inner.chunks(inner.len().div_ceil(stretches)) {
        let by_height = |one: &usize, other: &usize| {
            let (one, other): (Point, Point) = (stretch[*one], stretch[*other]);
            one.1.total_cmp(&other.1)
        };
        let lowest = (0..stretch.len()).min_by(by_height);
        let highest = (0..stretch.len()).max_by(by_height);
        if let (Some(lowest), Some(highest)) = (lowest, highest) {
            kept.push(stretch[lowest.min(highest)]);
            if lowest != highest {
                kept.push(stretch[lowest.max(highest)]);
            }
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn peaks_ends_and_order_are_kept_and_nothing_is_made_up(
            heights in prop::collection::vec(-1e6_f64..1e6, 1..400),
            most in 4_usize..100,
        ) {
            let points: Vec<Point> = (0..).map(f64::from).zip(heights).collect();
            let kept = thin(&points, most);
            prop_assert!(kept.len() <= most.min(points.len()), "{} of {most}", kept.len());
            prop_assert!(kept.iter().all(|point| points.contains(point)));
            prop_assert!(kept.is_sorted_by(|one, next| one.0 < next.0));
            prop_assert_eq!(kept.first(), points.first());
            prop_assert_eq!(kept.last(), points.last());
            let extremes = |of: &[Point]| of.iter().fold((f64::MAX, f64::MIN), |(low, high), point| {
                (low.min(point.1), high.max(point.1))
            });
            prop_assert_eq!(extremes(&kept), extremes(&points));
        }
    }
}
