//! What it was measured on, without saying whose it is.

use std::fmt;
use std::fs;

use switchboard_domain::SystemClock;
use switchboard_domain::ports::Clock as _;

pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    /// The day, in UTC.
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: model.map_or("an unknown processor", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            // What a distribution or a cloud appends is nobody's business.
            kernel: kernel.trim().split('-').next().unwrap_or_default().to_owned(),
            date: SystemClock.now().format("%Y-%m-%d").to_string(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.processor, self.cores, self.kernel)
    }
}
