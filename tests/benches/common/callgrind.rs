//! Instructions of one call, counted by valgrind: exact where times wobble.

use std::env;
use std::process::Command;

/// Runs what the program was started for as a child of [`instructions`], if it was; true then.
///
/// `repeat` prepares the case of that name, then does it so many times.
pub(crate) fn is_counted_child(mut repeat: impl FnMut(&str, u32)) -> bool {
    let arguments: Vec<String> = env::args().collect();
    let [_, flag, case, times] = arguments.as_slice() else { return false };
    if flag != FLAG {
        return false;
    }
    repeat(case, times.parse().unwrap());
    true
}

/// Instructions of one call of a case: two runs of this program under callgrind, whose difference leaves out the start.
/// `None` when there is no valgrind.
pub(crate) fn instructions(case: &str) -> Option<f64> {
    let [few, many] = [FEW, MANY].map(|times| collected(case, times));
    Some((many? - few?) as f64 / f64::from(MANY - FEW))
}

fn collected(case: &str, times: u32) -> Option<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args([FLAG, case, &times.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {report}");
    report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

const FLAG: &str = "--counted";
const FEW: u32 = 500;
const MANY: u32 = 2500;
