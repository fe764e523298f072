//! Images as loop devices with a file system, by the programs of util-linux and xfsprogs.

use std::path::Path;

use tokio::process::Command;

use crate::grpc::{Code, Status};

/// The file system of every volume. ext4 grows only by a process with `CAP_SYS_RESOURCE`, which a container that this cluster
/// may run in has not.
pub const TYPE: &str = "xfs";
/// The smallest size that `mkfs.xfs` takes (xfsprogs 5.19 and later).
pub const LEAST_BYTES: i64 = 300 << 20;

/// Mounts an image, with a new file system if it has none.
///
/// # Errors
/// The output of the program that failed.
pub async fn mount(image: &Path, target: &Path) -> Result<(), Status> {
    std::fs::create_dir_all(target)?;
    if is_mounted(target).await? {
        return Ok(());
    }
    let device = run("losetup", &["--find", "--show", "--nooverlap", &text(image)?]).await?;
    let mounted = format_and_mount(&device, &text(target)?).await;
    // A mounted device goes by itself when the last mount of it ends, also with the node's namespaces.
    run("losetup", &["--detach", &device]).await?;
    mounted
}

async fn format_and_mount(device: &str, target: &str) -> Result<(), Status> {
    let found = output(
        "blkid",
        &["--probe", "--output", "value", "--match-tag", "TYPE", device],
    )
    .await?;
    if found.stdout.trim_ascii().is_empty() {
        run("mkfs.xfs", &["-q", "-K", device]).await?;
    }
    run("mount", &["-t", TYPE, device, target]).await?;
    Ok(())
}

/// Mounts what is mounted at one place at another one, too.
///
/// # Errors
/// The output of the program that failed.
pub async fn bind(from: &Path, to: &Path, readonly: bool) -> Result<(), Status> {
    std::fs::create_dir_all(to)?;
    if is_mounted(to).await? {
        return Ok(());
    }
    let options = if readonly { "bind,ro" } else { "bind" };
    run("mount", &["-o", options, &text(from)?, &text(to)?]).await?;
    Ok(())
}

/// Unmounts, and removes the folder.
///
/// # Errors
/// The output of the program that failed.
pub async fn unmount(target: &Path) -> Result<(), Status> {
    if is_mounted(target).await? {
        run("umount", &[&text(target)?]).await?;
    }
    match std::fs::remove_dir(target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Lets the device and the mounted file system have all of the image.
///
/// # Errors
/// The output of the program that failed.
pub async fn grow(mounted_at: &Path) -> Result<(), Status> {
    let at = text(mounted_at)?;
    let device = run(
        "findmnt",
        &["--noheadings", "--output", "SOURCE", "--mountpoint", &at],
    )
    .await?;
    run("losetup", &["--set-capacity", &device]).await?;
    run("xfs_growfs", &[&at]).await?;
    Ok(())
}

/// Numbers of a mounted file system (`statfs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in all, free, and free for others than root.
    pub bytes: [i64; 3],
    /// Inodes in all, and free.
    pub inodes: [i64; 2],
}

/// How full a mounted file system is.
///
/// # Errors
/// The output of the program that failed.
pub async fn usage(mounted_at: &Path) -> Result<Usage, Status> {
    let numbers = run(
        "stat",
        &[
            "--file-system",
            "--format",
            "%S %b %f %a %c %d",
            &text(mounted_at)?,
        ],
    )
    .await?;
    let all: Vec<i64> = numbers.split(' ').filter_map(|it| it.parse().ok()).collect();
    match all[..] {
        [unit, blocks, free, available, inodes, free_inodes] => Ok(Usage {
            bytes: [blocks, free, available].map(|it| it.saturating_mul(unit)),
            inodes: [inodes, free_inodes],
        }),
        _ => Err(Status::new(Code::Internal, format!("stat says {numbers:?}"))),
    }
}

async fn is_mounted(target: &Path) -> Result<bool, Status> {
    let found = output("mountpoint", &["--quiet", &text(target)?]).await?;
    Ok(found.status.success())
}

async fn run(program: &str, arguments: &[&str]) -> Result<String, Status> {
    let found = output(program, arguments).await?;
    if found.status.success() {
        return Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned());
    }
    let why = String::from_utf8_lossy(&found.stderr).trim().to_owned();
    Err(Status::new(
        Code::Internal,
        format!("{program} {arguments:?}: {why}"),
    ))
}

async fn output(program: &str, arguments: &[&str]) -> Result<std::process::Output, Status> {
    let outcome = Command::new(program).args(arguments).output().await;
    outcome.map_err(|error| Status::new(Code::Internal, format!("{program}: {error}")))
}

fn text(path: &Path) -> Result<String, Status> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Status::new(Code::InvalidArgument, format!("{} is not UTF-8", path.display())))
}
