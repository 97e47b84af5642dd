//! A child process: started, watched from outside, and ended with us.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// How long a child may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clock ticks a second, in which the kernel states CPU times: `USER_HZ`, which is 100 wherever Rust runs on Linux.
const TICKS_A_SECOND: u32 = 100;

/// A running program. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    /// Where its standard error stream goes.
    log: PathBuf,
}

impl Process {
    /// Starts a program that says nothing on its standard output.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        command.stdout(Stdio::null());
        Self::spawn(name, command, folder)
    }

    /// Starts a program whose first line says where it listens. Returns that line too.
    pub(crate) fn start_and_listen(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<(Self, String)> {
        command.stdout(Stdio::piped());
        let mut process = Self::spawn(name, command, folder)?;
        let stdout = process.child.stdout.take().context("it is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            bail!("{name} did not start: {}", process.logged());
        }
        Ok((process, line.trim().to_owned()))
    }

    fn spawn(name: &str, command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stderr(file)
            .spawn()
            .with_context(|| format!("{} cannot be run; was it built?", Path::new(&program).display()))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// User and system time of all its threads so far, in whole clock ticks.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.proc("stat")?;
        // The second field, the program's name, is in brackets and may hold anything.
        let after_name = stat.rsplit_once(')').context("stat has a name")?.1;
        let mut fields = after_name.split_ascii_whitespace().skip(11);
        let mut ticks =
            || -> anyhow::Result<u32> { Ok(fields.next().context("stat is shorter than it was")?.parse()?) };
        let (user, system) = (ticks()?, ticks()?);
        Ok(Duration::from_secs(1) * (user + system) / TICKS_A_SECOND)
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("status has VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        let folder = format!("/proc/{}/fd", self.child.id());
        Ok(fs::read_dir(folder).with_context(|| format!("{} is gone: {}", self.name, self.logged()))?.count())
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().context("kill")?;
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.with_context(|| format!("{} did not stop", self.name))??;
        Ok(())
    }

    /// What it wrote on its standard error stream.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).with_context(|| format!("{} is gone: {}", self.name, self.logged()))
    }
}

/// How many files a process may open here: we, and what we start.
pub(crate) fn open_files() -> anyhow::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("limits have open files")?;
    let soft = line.split_ascii_whitespace().next().context("a limit has a number")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
