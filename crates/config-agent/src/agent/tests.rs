use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::source::Content;

/// A Pod: kubelet's projection, and the folders that containers mount.
struct Pod {
    root: TempDir,
    projections: usize,
}

impl Pod {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["projected", "tls", "config"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, projections: 0 }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn copied(&self) -> args::Copy {
        args::Copy {
            files: self.files(),
            programs: Vec::new(),
        }
    }

    fn files(&self) -> Files {
        let file = |key: &str, path: &str| format!("{key}={}", self.path(path).display());
        let texts = [
            file("cert", "tls/cert"),
            file("key", "tls/key:0600"),
            file("conf", "config/conf"),
        ];
        Files {
            from: self.path("projected"),
            files: texts.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn agent(&self) -> Agent {
        Agent::new(&self.files()).unwrap()
    }

    /// What kubelet does.
    fn project(&mut self, entries: &[(&str, &str)]) {
        self.projections += 1;
        let (version, projected) = (format!("..{}", self.projections), self.path("projected"));
        fs::create_dir(projected.join(&version)).unwrap();
        for (key, text) in entries {
            fs::write(projected.join(&version).join(key), text).unwrap();
        }
        symlink(version, projected.join("new")).unwrap();
        fs::rename(projected.join("new"), projected.join("..data")).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// Whether folders of files can't be written.
    fn break_folder(&self, path: &str, is_broken: bool) {
        let (whole, away) = (self.path(path), self.path("away"));
        if is_broken {
            fs::rename(whole, away).unwrap();
        } else {
            fs::rename(away, whole).unwrap();
        }
    }
}

fn secret(version: &str, entries: &[(&str, &str)]) -> News {
    let entry = |(key, text): &(&str, &str)| ((*key).to_owned(), text.as_bytes().to_vec());
    News::Is(Content {
        version: version.to_owned(),
        data: entries.iter().map(entry).collect(),
    })
}

fn failing() -> News {
    News::Failing("no route to host".to_owned())
}

#[test]
fn a_pod_starts_with_what_kubelet_projected() {
    let mut pod = Pod::new();
    pod.project(&[("cert", "1"), ("key", "1"), ("conf", "1"), ("other", "1")]);
    copy(&pod.copied()).unwrap();
    assert_eq!(pod.text("tls/cert").as_deref(), Some("1"));
    assert_eq!(pod.text("config/conf").as_deref(), Some("1"));
    assert!(!pod.path("config/other").exists());
    let mode = fs::metadata(pod.path("tls/key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_restarted_agent_does_not_put_back_what_kubelet_still_has() {
    let mut pod = Pod::new();
    pod.project(&[("conf", "old")]);
    let mut agent = pod.agent();
    agent.copy().unwrap();
    agent.hear(secret("2", &[("conf", "new")]));
    let mut restarted = pod.agent();
    restarted.copy().unwrap();
    copy(&pod.copied()).unwrap();
    restarted.hear(failing());
    assert_eq!(restarted.look(), Verdict::Ignore);
    assert_eq!(pod.text("config/conf").as_deref(), Some("new"));
}

#[test]
fn folders_that_an_earlier_copy_did_not_reach_are_filled() {
    let mut pod = Pod::new();
    pod.project(&[("cert", "1"), ("conf", "1")]);
    pod.break_folder("config", true);
    assert!(matches!(copy(&pod.copied()), Err(CopyError::Write(_))));
    assert_eq!(pod.text("tls/cert").as_deref(), Some("1"), "the order of folders");
    pod.break_folder("config", false);
    copy(&pod.copied()).unwrap();
    assert_eq!(pod.text("config/conf").as_deref(), Some("1"));
}

#[test]
fn a_projection_that_can_not_be_read_is_an_error_only_while_it_is_needed() {
    let pod = Pod::new();
    assert!(matches!(copy(&pod.copied()), Err(CopyError::Read(_))));
    pod.agent().hear(secret("1", &[("conf", "1")]));
    copy(&pod.copied()).unwrap();
}

#[test]
fn every_change_is_written_and_files_of_absent_keys_go() {
    let pod = Pod::new();
    let mut agent = pod.agent();
    agent.hear(News::Watching);
    agent.hear(secret("1", &[("cert", "1"), ("conf", "1")]));
    agent.hear(secret("2", &[("conf", "2")]));
    assert_eq!(pod.text("config/conf").as_deref(), Some("2"));
    assert_eq!(pod.text("tls/cert"), None);
}

#[test]
fn files_stay_when_the_secret_is_gone_or_not_known() {
    let pod = Pod::new();
    let mut agent = pod.agent();
    agent.hear(secret("1", &[("conf", "1")]));
    agent.hear(News::Gone);
    agent.hear(failing());
    agent.look();
    assert_eq!(pod.text("config/conf").as_deref(), Some("1"));
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let pod = Pod::new();
    let mut agent = pod.agent();
    pod.break_folder("config", true);
    agent.hear(secret("1", &[("conf", "1")]));
    agent.look();
    pod.break_folder("config", false);
    agent.look();
    assert_eq!(pod.text("config/conf").as_deref(), Some("1"));
}

#[test]
fn kubelets_files_are_taken_while_the_watch_fails() {
    let mut pod = Pod::new();
    pod.project(&[("conf", "1")]);
    let mut agent = pod.agent();
    agent.copy().unwrap();
    agent.hear(failing());
    pod.project(&[("conf", "2")]);
    assert_eq!(agent.look(), Verdict::Take);
    assert_eq!(pod.text("config/conf").as_deref(), Some("2"));
    assert_eq!(agent.look(), Verdict::Ignore);
}

#[test]
fn an_older_projection_is_not_taken_while_the_watch_works() {
    let mut pod = Pod::new();
    pod.project(&[("conf", "1")]);
    let mut agent = pod.agent();
    agent.hear(News::Watching);
    agent.hear(secret("3", &[("conf", "3")]));
    pod.project(&[("conf", "2")]);
    assert_eq!(agent.look(), Verdict::AskAgain);
    agent.hear(News::Watching);
    agent.hear(secret("3", &[("conf", "3")]));
    assert_eq!(agent.look(), Verdict::Ignore);
    assert_eq!(pod.text("config/conf").as_deref(), Some("3"));
}

#[test]
fn a_watch_that_died_silently_is_begun_anew_and_kubelets_files_are_taken_when_that_fails() {
    let mut pod = Pod::new();
    pod.project(&[("conf", "1")]);
    let mut agent = pod.agent();
    agent.hear(News::Watching);
    agent.hear(secret("1", &[("conf", "1")]));
    pod.project(&[("conf", "2")]);
    assert_eq!(agent.look(), Verdict::AskAgain);
    assert_eq!(agent.look(), Verdict::Ignore, "asked once");
    agent.hear(failing());
    assert_eq!(agent.look(), Verdict::Take);
    assert_eq!(pod.text("config/conf").as_deref(), Some("2"));
}
