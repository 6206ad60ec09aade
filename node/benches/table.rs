//! What was measured, beside the limit of the same run.

use serde::Serialize;

/// Where a ratio should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    AtLeast(f64),
    AtMost(f64),
    /// A figure for orientation.
    Shown,
}

/// A figure beside its limit.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub workload: String,
    pub figure: String,
    pub limit: String,
    pub ratio: f64,
    pub reach: Reach,
    pub reached: bool,
}

/// All of them, in the order they were measured.
#[derive(Default)]
pub struct Table(pub Vec<Line>);

impl Table {
    /// Adds a line, and shows it at once: a run takes long.
    pub fn add(&mut self, workload: &str, figure: String, limit: String, ratio: f64, reach: Reach) {
        let reached = match reach {
            Reach::AtLeast(bound) => ratio >= bound,
            Reach::AtMost(bound) => ratio <= bound,
            Reach::Shown => true,
        };
        let line = Line { workload: workload.to_owned(), figure, limit, ratio, reach, reached };
        eprintln!("{}", line.to_markdown());
        self.0.push(line);
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let lines: Vec<String> = self.0.iter().map(Line::to_markdown).collect();
        format!("| workload | figure | limit | ratio | reach |\n|---|---|---|---|---|\n{}\n", lines.join("\n"))
    }
}

impl Line {
    fn to_markdown(&self) -> String {
        let reach = match self.reach {
            Reach::AtLeast(bound) => format!("≥ {bound}"),
            Reach::AtMost(bound) => format!("≤ {bound}"),
            Reach::Shown => "shown".to_owned(),
        };
        let missed = if self.reached { "" } else { " **missed**" };
        let Line { workload, figure, limit, ratio, .. } = self;
        format!("| {workload} | {figure} | {limit} | {ratio:.2} | {reach}{missed} |")
    }
}

/// The figure at a fraction of sorted ones.
pub fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * fraction).round() as usize]
}

/// Half and all but a hundredth of some figures.
pub fn p50_p99(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    (percentile(&figures, 0.5), percentile(&figures, 0.99))
}
