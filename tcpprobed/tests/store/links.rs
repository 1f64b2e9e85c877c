//! Symbolic links in the state and runtime folders are refused, and lead nobody anywhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tcpprobed::disk::Folder;
use tcpprobed::runtime_folder::RuntimeFolder;
use tcpprobed::store::RunMeta;

use crate::common::{Recording, Site};

#[test]
fn folders_of_jobs_and_runs() {
    let site = Site::with_runs(1);
    let elsewhere = Site::with_runs(1);
    let jobs = site.state().join("jobs");
    symlink(elsewhere.state().join("jobs/web"), jobs.join("linked")).unwrap();
    symlink(elsewhere.run(""), jobs.join("web/000007")).unwrap();
    let before = elsewhere.files();
    let store = site.open();
    assert_eq!(store.jobs().unwrap(), ["web"]);
    assert_eq!(store.runs("web").unwrap(), [1, 2, 7], "its number is taken");
    for error in [store.job_folder("linked").map(drop), store.run_folder("web", 7).map(drop)] {
        assert!(error.unwrap_err().to_string().contains("symbolic link"));
    }
    assert!(store.closed_segments("web", 7, None).is_err());
    assert!(store.make_job_folder("linked").is_err() && store.make_run_folder("web", 7).is_err());
    store.remove_run("web", 7).unwrap();
    store.remove_job("linked").unwrap();
    store.remove_job("web").unwrap();
    assert!(elsewhere.files() == before, "nothing was touched there");
    assert_eq!(fs::read_dir(site.state().join("removed")).unwrap().count(), 0);
}

#[test]
fn segments_and_small_files() {
    let site = Site::with_runs(2);
    let target = site.state().join("target");
    let store = site.open();
    let folder = store.run_folder("web", 1).unwrap();
    fs::rename(site.run("00000001.tcpp"), &target).unwrap();
    symlink(&target, site.run("00000001.tcpp")).unwrap();
    let listed: Vec<u32> = store.closed_segments("web", 1, None).unwrap().iter().map(|segment| segment.0).collect();
    assert_eq!(listed, [2]);
    assert!(folder.file("00000001.tcpp").is_err());
    let meta = RunMeta::load(&folder).unwrap();
    fs::rename(site.run("run.toml"), &target).unwrap();
    symlink(&target, site.run("run.toml")).unwrap();
    assert!(RunMeta::load(&folder).unwrap_err().to_string().contains("symbolic link"));
    // What is to be replaced is replaced, not what it leads to.
    meta.save(&folder).unwrap();
    assert_eq!(RunMeta::load(&folder).unwrap(), meta);
    assert!(site.run("run.toml").symlink_metadata().unwrap().is_file());
    // A new segment does not go through a link either.
    let elsewhere = site.state().join("elsewhere");
    symlink(&elsewhere, site.state().join("jobs/web/000002/00000003.tcpp")).unwrap();
    let folder = store.run_folder("web", 2).unwrap();
    let mut meta = RunMeta::load(&folder).unwrap();
    meta.resume(&folder, "web/000002", store.catalog()).unwrap();
    Recording::go_on(&store, "web", 2, meta).block();
    assert!(!elsewhere.exists());
}

#[test]
fn staging() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let runtime = RuntimeFolder::open(&path).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, path.join("web.staging")).unwrap();
    assert!(runtime.staging("web").unwrap_err().to_string().contains("symbolic link"));
    runtime.remove_staging("web");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    runtime.staging("web").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(path.join("web.staging")), mode(path.clone())), (0o600, 0o755));
    let second = RuntimeFolder::open(&path).unwrap_err().to_string();
    assert!(second.contains("in use by another tcpprobed") && second.contains("--runtime"), "{second}");
    drop(runtime);
    RuntimeFolder::open(&path).unwrap();
}

/// The catalog's folder too: sled would go anywhere.
#[test]
fn the_catalog() {
    let site = Site::with_runs(1);
    let catalog = site.state().join("catalog");
    let elsewhere = site.state().join("elsewhere");
    fs::rename(&catalog, &elsewhere).unwrap();
    let before = fs::read_dir(&elsewhere).unwrap().count();
    symlink(&elsewhere, &catalog).unwrap();
    let store = site.open();
    assert_eq!(store.closed_segments("web", 1, None).unwrap().len(), 1);
    assert!(catalog.symlink_metadata().unwrap().is_dir(), "it is made anew");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), before);
    drop(Folder::open(&site.state(), Default::default()).unwrap());
}
