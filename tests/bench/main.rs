//! `make bench`: numbers beside their budgets. What each one means: docs/performance.md.
//!
//! usage: cpsd-bench REPORT.json \[PART...\]     everything, or these parts
//!        cpsd-bench host MODULE \[SIGNATURES\]   a program that loads a PKCS#11 module, see `host`

mod browser;
mod exchanges;
mod fairness;
mod host;
mod mail;
mod module;
mod overhead;
mod rest;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use serde_json::Value;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [verb, module, signatures @ ..] = &arguments[..]
        && verb == "host"
    {
        host::run(
            module.as_ref(),
            signatures.first().map(|count| count.parse()),
        );
        return ExitCode::SUCCESS;
    }
    let Some(report) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cpsd-bench REPORT.json [PART...]");
        return ExitCode::from(2);
    };
    let mut metrics = Metrics::default();
    let wanted = arguments.get(1..).unwrap_or_default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            measure(&mut metrics);
        }
    }
    metrics.print();

    let folder = report.parent().map(fs::create_dir_all).transpose();
    let written = folder.and_then(|_| fs::write(&report, metrics.json()));
    if let Err(error) = written {
        eprintln!("cpsd-bench: {}: {error}", report.display());
        return ExitCode::FAILURE;
    }
    println!("\nwritten to {}", report.display());
    ExitCode::SUCCESS
}

type Measure = fn(&mut Metrics);

const PARTS: &[(&str, Measure)] = &[
    ("exchanges", exchanges::measure),
    ("browser", browser::measure),
    ("overhead", overhead::measure),
    ("fairness", fairness::measure),
    ("module", module::measure),
    ("mail", mail::measure),
    ("rest", rest::measure),
];

/// Metric name → number.
#[derive(Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    fn json(&self) -> String {
        let number = |value: &f64| serde_json::Number::from_f64(*value).map(Value::Number);
        let object = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), number(value)?)))
            .collect();
        let mut text = Value::Object(object).to_string();
        text.push('\n');
        text
    }

    fn print(&self) {
        println!("{:<36} {:>12}   {:<10} ", "metric", "measured", "budget");
        for (name, value) in &self.0 {
            let (budget, verdict) = match budget(name) {
                Some(budget) => {
                    let kept = if budget.holds(*value) {
                        "met"
                    } else {
                        "MISSED"
                    };
                    (budget.to_string(), kept)
                }
                None => (String::new(), ""),
            };
            println!(
                "{name:<36} {:>12}   {budget:<10} {verdict}",
                rounded(*value)
            );
        }
    }
}

fn rounded(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else {
        format!("{value:.3}")
    }
}

/// What a number may be.
#[derive(Clone, Copy)]
enum Budget {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    Between(f64, f64),
}

impl Budget {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
            Self::Below(limit) => value < limit,
            Self::Between(low, high) => (low..=high).contains(&value),
        }
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
        }
    }
}

fn budget(name: &str) -> Option<Budget> {
    if name.starts_with("apdu.opensc.") {
        return None;
    }
    let last = name.rsplit('.').next()?;
    Some(match (name.split('.').next()?, last) {
        ("apdu", "identity_cold") => Budget::AtMost(20.0),
        ("apdu", "identity_warm") => Budget::AtMost(2.0),
        ("apdu", "login") => Budget::AtMost(1.0),
        ("apdu", "page_fresh" | "sign_auth" | "sign_signature") => Budget::AtMost(3.0),
        ("apdu", "page_resumed") => Budget::AtMost(0.0),
        ("bytes", "identity_cold") => Budget::AtMost(3500.0),
        ("bytes", "identity_warm") => Budget::AtMost(64.0),
        ("queue", "fairness_ratio") => Budget::Between(0.95, 1.05),
        ("overhead", "sign_p99_ms") => Budget::Below(1.0),
        ("mail", "throughput_ratio" | "login_ratio") => Budget::AtLeast(1.0),
        ("idle", "wakeups_per_minute") => Budget::AtMost(0.0),
        ("idle", "rss_mb") => Budget::Below(15.0),
        ("start", "ready_ms") => Budget::Below(50.0),
        _ => return None,
    })
}
