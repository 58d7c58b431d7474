//! What the machine gives: room, writing that lasts, and file handles.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{StatVfs, StatVfsMountFlags};
use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::ServerConfig;
use crate::connections::Room;

/// A seat has an editor, a portal page and pictures that load side by side.
const CONNECTIONS_PER_SEAT: usize = 8;
/// Each result and each preview is a file.
const FEW_FILES: u64 = 20_000;
/// Each change of a job waits for the disk once.
const SLOW_SYNC: Duration = Duration::from_millis(100);

pub fn disk(config: &ServerConfig) -> Vec<Finding> {
    const SUBJECT: &str = "disk";
    let existing = config.data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let mut findings = match rustix::fs::statvfs(existing) {
        Ok(disk) => judge_disk(&disk, config.storage.min_free_bytes),
        Err(error) => vec![Finding::bad(SUBJECT, format!("cannot be measured: {error}"), "look at DATA_DIR")],
    };
    if existing == config.data_dir {
        findings.extend(judge_sync(time_sync(&config.data_dir)));
    }
    findings
}

fn judge_disk(disk: &StatVfs, floor: u64) -> Vec<Finding> {
    const SUBJECT: &str = "disk";
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        let fix =
            "mount it for writing, or set DATA_DIR to another; after an error of the disk look at dmesg";
        return vec![Finding::bad(SUBJECT, "it can only be read", fix)];
    }
    let free = disk.f_bavail * disk.f_frsize;
    let text = app::format::bytes(free);
    let mut findings = vec![if free < floor {
        let floor = app::format::bytes(floor);
        let text = format!("{text} free, less than MIN_FREE_BYTES ({floor})");
        Finding::bad(SUBJECT, text, "make room: uploads are refused until then")
    } else {
        Finding::good(SUBJECT, format!("{text} free"))
    }];
    // Some file systems count no files.
    if disk.f_files > 0 && disk.f_favail < FEW_FILES {
        let text = format!("there is room for only {} more files (inodes)", disk.f_favail);
        findings.push(Finding::bad(SUBJECT, text, "remove small files, or move DATA_DIR: df -i shows it"));
    }
    findings
}

/// How long a small file takes to be safe on the disk; nothing if it cannot be written.
fn time_sync(folder: &Path) -> Option<Duration> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let started = Instant::now();
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).ok()?;
    let written = file.write_all(&[0; 4096]).and_then(|()| file.sync_all());
    let took = started.elapsed();
    std::fs::remove_file(&path).and(written).ok().map(|()| took)
}

fn judge_sync(took: Option<Duration>) -> Option<Finding> {
    const SUBJECT: &str = "writing";
    Some(match took {
        // That it cannot be written to is found elsewhere.
        None => return None,
        Some(took) if took > SLOW_SYNC => {
            let text = format!("a small file takes {} ms to be safe on the disk", took.as_millis());
            Finding::remark(SUBJECT, text, "put DATA_DIR on a local SSD: each change of a job waits for it")
        }
        Some(took) => Finding::good(SUBJECT, format!("{} ms until a small file is safe", took.as_millis())),
    })
}

pub fn handles(config: &ServerConfig) -> Finding {
    // None is no limit.
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    judge_handles(most, config.seats)
}

fn judge_handles(most: u64, seats: u16) -> Finding {
    const SUBJECT: &str = "handles";
    let room = Room::with_handles(most).all;
    let wanted = usize::from(seats) * CONNECTIONS_PER_SEAT;
    if room < wanted {
        let text =
            format!("{most} open files are allowed: {room} connections, and {seats} seats may need {wanted}");
        let fix = format!("ulimit -Hn {0}, or LimitNOFILE={0} in the unit", 2 * wanted + 256);
        return Finding::bad(SUBJECT, text, fix);
    }
    Finding::good(SUBJECT, format!("room for {room} connections"))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn this_disk() -> StatVfs {
        rustix::fs::statvfs("/").unwrap()
    }

    fn is_bad(findings: &[Finding]) -> bool {
        findings.iter().any(|finding| matches!(finding.verdict, Verdict::Bad { .. }))
    }

    #[test]
    fn a_disk_is_bad_that_is_full_of_files_or_of_bytes_or_only_read() {
        let well = StatVfs {
            f_flag: StatVfsMountFlags::empty(),
            f_files: 1_000_000,
            f_favail: 900_000,
            f_bavail: 1 << 20,
            f_frsize: 4096,
            ..this_disk()
        };
        assert!(!is_bad(&judge_disk(&well, 1)));
        assert!(is_bad(&judge_disk(&well, u64::MAX)), "too little room");
        assert!(is_bad(&judge_disk(&StatVfs { f_favail: 10, ..well }, 1)), "no inodes");
        assert!(!is_bad(&judge_disk(&StatVfs { f_favail: 0, f_files: 0, ..well }, 1)), "it counts none");
        assert!(is_bad(&judge_disk(&StatVfs { f_flag: StatVfsMountFlags::RDONLY, ..well }, 1)));
    }

    #[test]
    fn slow_writing_is_remarked_and_leaves_nothing_behind() {
        let slow = judge_sync(Some(Duration::from_secs(1))).unwrap();
        assert!(matches!(slow.verdict, Verdict::Remark { .. }) && slow.text.contains("1000 ms"));
        let folder = tempfile::tempdir().unwrap();
        assert!(time_sync(folder.path()).is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn handles_must_suffice_for_the_seats() {
        assert_eq!(judge_handles(4096, 20).verdict, Verdict::Good);
        assert_eq!(judge_handles(u64::MAX, 500).verdict, Verdict::Good);
        assert!(is_bad(&[judge_handles(1024, 100)]));
    }
}
