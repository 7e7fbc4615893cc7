//! The Universal Scalability Law, fitted to throughputs that were measured.
//!
//! X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)): what N of something (shards, operations
//! in flight) achieve together when one achieves lambda, a share sigma of the work has to wait for
//! its turn, and kappa is what every two cost each other (N. Gunther, *Guerrilla Capacity Planning*,
//! 2007). Non-linear least squares on the logarithm of the throughput, since its noise is a share of
//! it, by Levenberg-Marquardt from a linearised start, with sigma and kappa at least 0. Three
//! parameters need no library of matrices. Pure. Used by the plan.

use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use crate::limits::EXTRAPOLATION_MAX;

/// Different N that a fit needs: one more than the law has parameters, or nothing would say how
/// well it fits.
pub const POINTS_MIN: usize = 4;

/// One throughput that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How many worked together: above 0.
    pub n: f64,
    /// What they achieved per second: above 0.
    pub throughput: f64,
}

/// The law with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Throughput of one.
    pub lambda: f64,
    /// Contention: the share that is not done side by side.
    pub sigma: f64,
    /// Coherency: what each two cost each other.
    pub kappa: f64,
}

/// The law that fits some points best, and how sure that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The parameters.
    pub law: Law,
    /// Of lambda, 95 %.
    pub lambda: Estimate,
    /// Of sigma, 95 %, cut off at 0.
    pub sigma: Estimate,
    /// Of kappa, 95 %, cut off at 0.
    pub kappa: Estimate,
    /// Standard deviation of the points around the law, as a share of the throughput.
    pub residual: f64,
    /// The points.
    pub points: Vec<Point>,
    covariance: [[f64; 3]; 3],
    quantile: f64,
}

/// Why there is no fit.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Nothing would say how well it fits.
    #[error(
        "{distinct} different N were measured; the law has three parameters, so {POINTS_MIN} are needed"
    )]
    TooFew {
        /// How many there are.
        distinct: usize,
    },
    /// An N or a throughput is not above 0.
    #[error("N {n} with a throughput of {throughput} is no measurement")]
    NotPositive {
        /// Where.
        n: f64,
        /// What was said to be achieved.
        throughput: f64,
    },
    /// The points do not determine the parameters.
    #[error("the points do not tell the parameters of the law apart")]
    Undetermined,
}

/// An N that nothing measured says anything about.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{asked} is beyond twice the largest N that was measured, {measured}")]
pub struct Beyond {
    /// What was asked.
    pub asked: f64,
    /// The largest that was measured.
    pub measured: f64,
}

impl Law {
    /// What `n` achieve together.
    #[must_use]
    pub fn at(self, n: f64) -> f64 {
        self.lambda * n / self.load(n)
    }

    /// The N beyond which more achieve less; `None` if there is none.
    #[must_use]
    pub fn peak(self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }

    fn load(self, n: f64) -> f64 {
        1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0)
    }

    /// How ln X changes with ln lambda, sigma and kappa.
    fn gradient(self, n: f64) -> [f64; 3] {
        let load = self.load(n);
        [1.0, -(n - 1.0) / load, -n * (n - 1.0) / load]
    }
}

impl Fit {
    /// The law that fits best. Costs some thousand operations for each point.
    ///
    /// # Errors
    /// When there are too few points, or they say too little.
    pub fn of(points: &[Point]) -> Result<Self, FitError> {
        let is_bad = |value: f64| !(value.is_finite() && value > 0.0);
        if let Some(bad) = points.iter().find(|at| is_bad(at.n) || is_bad(at.throughput)) {
            return Err(FitError::NotPositive { n: bad.n, throughput: bad.throughput });
        }
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.n.total_cmp(&b.n));
        let distinct = points.chunk_by(|a, b| a.n.total_cmp(&b.n).is_eq()).count();
        if distinct < POINTS_MIN {
            return Err(FitError::TooFew { distinct });
        }
        // With sigma and kappa each free or 0, one of four fits is the best that is allowed.
        let masks = [[true; 3], [true, true, false], [true, false, true], [true, false, false]];
        let (law, squares) = masks
            .into_iter()
            .filter_map(|free| descend(&points, free))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .ok_or(FitError::Undetermined)?;
        let freedom = points.len() - 3;
        let variance = squares / freedom as f64;
        let information = information(&points, law);
        let inverse = invert(information).ok_or(FitError::Undetermined)?;
        let covariance = inverse.map(|row| row.map(|value| value * variance));
        let quantile = student_quantile(freedom);
        let spread = |of: usize| quantile * covariance[of][of].max(0.0).sqrt();
        let around = |value: f64, of| Estimate {
            low: (value - spread(of)).max(0.0),
            expected: value,
            high: value + spread(of),
        };
        Ok(Self {
            lambda: Estimate::exactly(law.lambda) * ratio(spread(0)),
            sigma: around(law.sigma, 1),
            kappa: around(law.kappa, 2),
            residual: variance.sqrt(),
            law,
            points,
            covariance,
            quantile,
        })
    }

    /// What `n` achieve together, with the 95 % interval of the law there. Beyond
    /// [`EXTRAPOLATION_MAX`] times the largest N that was measured only if asked to.
    ///
    /// # Errors
    /// When `n` is further away than that.
    pub fn at(&self, n: f64, extrapolate: bool) -> Result<Estimate, Beyond> {
        let measured = self.points.last().map_or(0.0, |point| point.n);
        if n > measured * EXTRAPOLATION_MAX && !extrapolate {
            return Err(Beyond { asked: n, measured });
        }
        let gradient = self.law.gradient(n);
        let of_row = |row: &[f64; 3]| row.iter().zip(gradient).map(|(c, g)| c * g).sum::<f64>();
        let variance: f64 =
            self.covariance.iter().zip(gradient).map(|(row, g)| g * of_row(row)).sum();
        let spread = self.quantile * variance.max(0.0).sqrt();
        Ok(Estimate::exactly(self.law.at(n)) * ratio(spread))
    }
}

/// 1, and what a difference of `spread` in the logarithm comes to on either side.
fn ratio(spread: f64) -> Estimate {
    Estimate { low: (-spread).exp(), expected: 1.0, high: spread.exp() }
}

/// Levenberg-Marquardt over the parameters that are free; the others are 0. The law and its sum of
/// squares, unless a parameter leaves its bounds.
fn descend(points: &[Point], free: [bool; 3]) -> Option<(Law, f64)> {
    const STEPS_MAX: u32 = 200;
    const DAMPING_MAX: f64 = 1e12;
    let mut law = start(points, free);
    let mut squares = sum_of_squares(points, law)?;
    let mut damping = 1e-3;
    for _ in 0..STEPS_MAX {
        let Some((next, next_squares)) = step(points, law, free, damping)
            .and_then(|next| Some((next, sum_of_squares(points, next)?)))
            .filter(|(_, next_squares)| *next_squares <= squares)
        else {
            damping *= 10.0;
            if damping > DAMPING_MAX {
                break;
            }
            continue;
        };
        let done = squares - next_squares <= 1e-14 * squares;
        (law, squares, damping) = (next, next_squares, damping / 10.0);
        if done {
            break;
        }
    }
    (law.sigma >= 0.0 && law.kappa >= 0.0).then_some((law, squares))
}

/// Linear least squares of N/X = (1 + sigma (N - 1) + kappa N (N - 1)) / lambda, in shares of N/X.
fn start(points: &[Point], free: [bool; 3]) -> Law {
    let mut left = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for point in points {
        let weight = point.throughput / point.n;
        let terms = [1.0, point.n - 1.0, point.n * (point.n - 1.0)].map(|term| term * weight);
        add_outer(&mut left, &mut right, masked(terms, free), 1.0);
    }
    let solved = solve(pinned(left, free), right).filter(|solved| solved[0] > 0.0);
    let [inverse, sigma, kappa] = solved.unwrap_or([points[0].n / points[0].throughput, 0.0, 0.0]);
    Law {
        lambda: 1.0 / inverse,
        sigma: (sigma / inverse).max(0.0),
        kappa: (kappa / inverse).max(0.0),
    }
}

fn step(points: &[Point], law: Law, free: [bool; 3], damping: f64) -> Option<Law> {
    let mut left = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for point in points {
        let gradient = masked(law.gradient(point.n), free);
        add_outer(&mut left, &mut right, gradient, residual(*point, law));
    }
    for (of, row) in left.iter_mut().enumerate() {
        row[of] *= 1.0 + damping;
    }
    let [lambda, sigma, kappa] = solve(pinned(left, free), right)?;
    Some(Law {
        lambda: law.lambda * lambda.exp(),
        sigma: law.sigma + sigma,
        kappa: law.kappa + kappa,
    })
}

fn residual(point: Point, law: Law) -> f64 {
    point.throughput.ln() - law.at(point.n).ln()
}

/// `None` where the law is none: a throughput that is negative or endless.
fn sum_of_squares(points: &[Point], law: Law) -> Option<f64> {
    let sum: f64 = points.iter().map(|point| residual(*point, law).powi(2)).sum();
    sum.is_finite().then_some(sum)
}

fn information(points: &[Point], law: Law) -> [[f64; 3]; 3] {
    let mut sum = [[0.0; 3]; 3];
    for point in points {
        add_outer(&mut sum, &mut [0.0; 3], law.gradient(point.n), 0.0);
    }
    sum
}

fn add_outer(left: &mut [[f64; 3]; 3], right: &mut [f64; 3], terms: [f64; 3], value: f64) {
    for ((row, sum), term) in left.iter_mut().zip(right).zip(terms) {
        *sum += term * value;
        row.iter_mut().zip(terms).for_each(|(cell, other)| *cell += term * other);
    }
}

fn masked(terms: [f64; 3], free: [bool; 3]) -> [f64; 3] {
    std::array::from_fn(|of| if free[of] { terms[of] } else { 0.0 })
}

/// A parameter that is not free gets an equation that says 0.
fn pinned(mut left: [[f64; 3]; 3], free: [bool; 3]) -> [[f64; 3]; 3] {
    for (of, row) in left.iter_mut().enumerate() {
        if !free[of] {
            row[of] = 1.0;
        }
    }
    left
}

fn invert(matrix: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let column =
        |of: usize| solve(matrix, std::array::from_fn(|row| f64::from(u8::from(row == of))));
    // It is symmetric, so its columns are its rows.
    Some([column(0)?, column(1)?, column(2)?])
}

/// Gauss with the largest pivot, after each unknown is scaled so that the diagonal is 1: N (N - 1)
/// is thousands of times N.
fn solve(mut left: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    let scale: [f64; 3] = std::array::from_fn(|of| 1.0 / left[of][of].sqrt());
    for row in 0..3 {
        right[row] *= scale[row];
        for column in 0..3 {
            left[row][column] *= scale[row] * scale[column];
        }
    }
    for column in 0..3 {
        let pivot =
            (column..3).max_by(|a, b| left[*a][column].abs().total_cmp(&left[*b][column].abs()))?;
        left.swap(column, pivot);
        right.swap(column, pivot);
        if left[column][column].abs() <= 1e-13 || left[column][column].is_nan() {
            return None;
        }
        for row in column + 1..3 {
            let factor = left[row][column] / left[column][column];
            right[row] -= factor * right[column];
            let pivot = left[column];
            for (value, of) in left[row].iter_mut().zip(pivot).skip(column) {
                *value -= factor * of;
            }
        }
    }
    let mut solution = [0.0; 3];
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3).map(|of| left[row][of] * solution[of]).sum();
        solution[row] = (right[row] - known) / left[row][row];
    }
    Some(std::array::from_fn(|of| solution[of] * scale[of]))
}

/// Of Student's t, two-sided 95 %: what tables print for 1 to 30 degrees of freedom; beyond, the
/// first terms of its expansion around the normal quantile, right to 0.001.
pub(super) fn student_quantile(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    const Z: f64 = 1.959_964;
    let n = freedom as f64;
    let first = (Z.powi(3) + Z) / (4.0 * n);
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * n * n);
    let beyond = Z + first + second;
    TABLE.get(freedom.saturating_sub(1)).copied().unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const LAW: Law = Law { lambda: 150_000.0, sigma: 0.04, kappa: 0.0006 };
    const NS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0];

    fn uniform(from: &mut ChaCha8Rng) -> f64 {
        ((from.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn normal(from: &mut ChaCha8Rng) -> f64 {
        (-2.0 * uniform(from).ln()).sqrt() * (std::f64::consts::TAU * uniform(from)).cos()
    }

    fn measured(law: Law, ns: &[f64], noise: f64, seed: u64) -> Vec<Point> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        ns.iter()
            .map(|n| Point { n: *n, throughput: law.at(*n) * (noise * normal(&mut random)).exp() })
            .collect()
    }

    #[test]
    fn points_without_noise_give_back_their_law() {
        let laws = [
            LAW,
            Law { sigma: 0.0, ..LAW },
            Law { kappa: 0.0, ..LAW },
            Law { sigma: 0.0, kappa: 0.0, ..LAW },
            Law { lambda: 0.3, sigma: 0.6, kappa: 0.01 },
        ];
        for law in laws {
            let fit = Fit::of(&measured(law, &NS, 0.0, 1)).unwrap();
            assert!((fit.law.lambda / law.lambda - 1.0).abs() < 1e-6, "{law:?}: {fit:?}");
            assert!((fit.law.sigma - law.sigma).abs() < 1e-6, "{law:?}: {fit:?}");
            assert!((fit.law.kappa - law.kappa).abs() < 1e-8, "{law:?}: {fit:?}");
            assert!(fit.residual < 1e-6, "{fit:?}");
        }
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        const SEEDS: u64 = 400;
        let laws = [LAW, Law { kappa: 0.0, ..LAW }, Law { sigma: 0.0, kappa: 0.0, ..LAW }];
        for law in laws {
            let mut held = [0_u32; 4];
            for seed in 0..SEEDS {
                let fit = Fit::of(&measured(law, &NS, 0.03, seed)).unwrap();
                let at = fit.at(48.0, false).unwrap();
                let holds = [
                    fit.lambda.holds(law.lambda),
                    fit.sigma.holds(law.sigma),
                    fit.kappa.holds(law.kappa),
                    at.holds(law.at(48.0)),
                ];
                held.iter_mut().zip(holds).for_each(|(held, holds)| *held += u32::from(holds));
            }
            // Of 95 %: fewer than 91 % is four standard deviations of 400 seeds.
            assert!(held.iter().all(|held| *held >= 364), "{law:?}: {held:?}");
        }
        // And they are no wider than they have to be: wrong by half is outside.
        let fit = Fit::of(&measured(LAW, &NS, 0.03, 7)).unwrap();
        assert!(!fit.lambda.holds(LAW.lambda * 1.5), "{fit:?}");
        assert!(!fit.at(32.0, false).unwrap().holds(LAW.at(32.0) * 1.5), "{fit:?}");
    }

    #[test]
    fn sigma_and_kappa_are_never_negative_even_where_more_achieve_more_than_their_share() {
        let law = Law { lambda: 100.0, sigma: -0.02, kappa: 0.0 };
        let fit = Fit::of(&measured(law, &NS, 0.01, 3)).unwrap();
        assert!(fit.law.sigma >= 0.0 && fit.law.kappa >= 0.0, "{fit:?}");
        assert!(fit.sigma.low >= 0.0 && fit.kappa.low >= 0.0, "{fit:?}");
    }

    #[test]
    fn no_neighbour_of_the_fit_fits_better() {
        for seed in 0..50 {
            let points = measured(LAW, &NS, 0.05, seed);
            let law = Fit::of(&points).unwrap().law;
            let best = sum_of_squares(&points, law).unwrap();
            for (lambda, sigma, kappa) in
                [(1.001, 0.0, 0.0), (0.999, 0.0, 0.0), (1.0, 1e-4, 0.0), (1.0, -1e-4, 0.0)]
                    .into_iter()
                    .chain([(1.0, 0.0, 1e-6), (1.0, 0.0, -1e-6), (1.001, 1e-3, -1e-5)])
            {
                let near = Law {
                    lambda: law.lambda * lambda,
                    sigma: (law.sigma + sigma).max(0.0),
                    kappa: (law.kappa + kappa).max(0.0),
                };
                assert!(sum_of_squares(&points, near).unwrap() >= best - 1e-12, "{seed}: {near:?}");
            }
        }
    }

    #[test]
    fn the_peak_is_where_more_begin_to_achieve_less() {
        let peak = LAW.peak().unwrap();
        assert!((peak - 40.0).abs() < 1e-9, "{peak}");
        assert!(LAW.at(peak) > LAW.at(peak - 1.0) && LAW.at(peak) > LAW.at(peak + 1.0));
        assert_eq!(Law { kappa: 0.0, ..LAW }.peak(), None);
    }

    #[test]
    fn nothing_is_said_beyond_twice_what_was_measured_unless_asked() {
        let fit = Fit::of(&measured(LAW, &NS, 0.02, 5)).unwrap();
        assert!(fit.at(64.0, false).is_ok());
        let beyond = fit.at(64.1, false).unwrap_err();
        assert_eq!((beyond.asked, beyond.measured), (64.1, 32.0));
        let (near, far) = (fit.at(32.0, false).unwrap(), fit.at(200.0, true).unwrap());
        assert!(far.high / far.low > near.high / near.low, "further is less sure");
    }

    #[test]
    fn too_few_different_points_or_impossible_ones_are_no_fit() {
        let twice = [measured(LAW, &NS[..3], 0.01, 1), measured(LAW, &NS[..3], 0.01, 2)].concat();
        assert_eq!(Fit::of(&twice), Err(FitError::TooFew { distinct: 3 }));
        assert_eq!(Fit::of(&[]), Err(FitError::TooFew { distinct: 0 }));
        let mut wrong = measured(LAW, &NS, 0.01, 1);
        for throughput in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            wrong[2].throughput = throughput;
            assert!(matches!(Fit::of(&wrong), Err(FitError::NotPositive { .. })), "{throughput}");
        }
    }

    #[test]
    fn the_quantile_goes_on_where_the_table_ends() {
        let (last, next) = (student_quantile(30), student_quantile(31));
        assert!(last > next && last - next < 0.005, "{last} {next}");
        assert!((student_quantile(120) - 1.980).abs() < 0.001);
        assert_eq!(student_quantile(1), 12.706);
    }
}
