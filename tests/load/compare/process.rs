//! What the system knows of a process and those that it started: processor time and memory.

use std::fs;

/// Processor time, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Spent {
    pub(crate) fn all(self) -> f64 {
        self.user + self.system
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// Of the process and all below it, those that have ended and were waited for included.
pub(crate) fn spent(process: u32) -> Spent {
    let mut sum = Spent::default();
    for process in family(process) {
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        // The program's name stands in brackets and may contain anything; numbers begin behind the last one.
        let Some((_, numbers)) = stat.rsplit_once(") ") else { continue };
        let ticks: Vec<f64> = numbers.split(' ').skip(11).take(4).filter_map(|number| number.parse().ok()).collect();
        let [user, system, user_of_ended, system_of_ended] = ticks[..] else { continue };
        sum.user += (user + user_of_ended) / TICKS_A_SECOND;
        sum.system += (system + system_of_ended) / TICKS_A_SECOND;
    }
    sum
}

/// Memory that is there for the process and all below it, in bytes.
pub(crate) fn memory(process: u32) -> u64 {
    let of_one = |process: u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    family(process).into_iter().filter_map(of_one).sum::<u64>() * 1024
}

/// Processor time that the whole machine has spent, in seconds.
pub(crate) fn machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> = stat.lines().next().unwrap().split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect();
    // user nice system idle iowait irq softirq
    (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / TICKS_A_SECOND
}

fn family(eldest: u32) -> Vec<u32> {
    let mut all = vec![eldest];
    let mut next = 0;
    while let Some(&process) = all.get(next) {
        next += 1;
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for children in threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()) {
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    all
}

/// `USER_HZ`, which Linux has fixed for everything in /proc.
const TICKS_A_SECOND: f64 = 100.0;
