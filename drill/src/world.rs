//! The programs of a workshop, each started as an operator would, and how they are killed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::broadcast;
use tokio::time::sleep;

use crate::adversity::Adversity;
use crate::faults::{Breakage, Fault, Phase, is_push, phase_of_request};
use crate::links::{FINE, Link, Observer, Weather};

pub const LEASE: Duration = Duration::from_secs(8);
const SLOWNESS: Duration = Duration::from_millis(60);
const START_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub server: PathBuf,
    pub worker: PathBuf,
    pub engine: PathBuf,
    pub redis: PathBuf,
    /// The server's `FRONTEND_DIR` and `SITE_ROOT`.
    pub frontend: PathBuf,
    pub site: PathBuf,
    /// The compiled `shim/adversity.c`; without it no disk is full and no clock wrong.
    pub shim: Option<PathBuf>,
    /// A real ComfyUI: its folder, its Python, its arguments.
    pub comfyui: Option<(PathBuf, PathBuf, String)>,
}

/// What a workshop is like.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    pub folder: PathBuf,
    pub programs: Programs,
    pub seats: u32,
    pub seed: u64,
    /// Workers with a ComfyUI that breaks. The real one, if there is one, has another worker.
    pub workers: usize,
    pub engine_fault_percent: u64,
}

/// A running workshop.
pub struct World {
    pub phases: broadcast::Sender<Phase>,
    server: Program,
    server_adversity: Adversity,
    redis: Program,
    workers: Vec<WorkerPlace>,
    redis_link: Link,
    worker_redis_link: Link,
    redis_dir: PathBuf,
    data_dir: PathBuf,
    server_port: u16,
    redis_port: u16,
}

struct WorkerPlace {
    program: Program,
    link: Link,
    engine_note: PathBuf,
    adversity: Adversity,
    name: String,
}

impl World {
    /// Starts everything, and waits until jobs can run and every worker is connected.
    pub async fn start(options: &WorldOptions) -> anyhow::Result<Self> {
        let WorldOptions { folder, programs, .. } = options;
        let phases = broadcast::Sender::new(1024);
        let (server_port, redis_port) = (free_port()?, free_port()?);
        let told = phases.clone();
        let pushes: Observer = Arc::new(move |bytes| {
            if is_push(bytes) {
                let _ = told.send(Phase::Pushed);
            }
        });
        let redis_link = Link::start(redis_port, pushes).await?;
        let worker_redis_link = Link::start(redis_port, Arc::new(|_| {})).await?;
        let data_dir = folder.join("data");
        let redis_dir = folder.join("redis");
        std::fs::create_dir_all(&redis_dir)?;
        let workflows = folder.join("workflows");
        std::fs::create_dir_all(&workflows)?;

        let mut redis = Program::new("redis", &programs.redis, folder)?;
        redis.arguments(&["--bind", "127.0.0.1", "--port", &redis_port.to_string(), "--appendonly", "yes"]);
        redis.arguments(&["--save", "", "--dir", &redis_dir.to_string_lossy()]);
        let mut server = Program::new("server", &programs.server, folder)?;
        server.arguments(&["serve"]);
        server.settings([
            ("DATA_DIR", data_dir.display().to_string()),
            ("FRONTEND_DIR", programs.frontend.display().to_string()),
            ("SITE_ROOT", programs.site.display().to_string()),
            ("LISTEN_ADDR", format!("127.0.0.1:{server_port}")),
            ("REDIS_URL", format!("redis://127.0.0.1:{}", redis_link.port)),
            ("WORKER_REDIS_URL", format!("redis://127.0.0.1:{}", worker_redis_link.port)),
            ("SEATS", options.seats.to_string()),
            ("ACCESS_MODE", "open".to_owned()),
            ("WORKFLOWS_DIR", workflows.display().to_string()),
            ("LEASE_SECONDS", LEASE.as_secs().to_string()),
            ("DELIVERY_TIMEOUT_SECONDS", "5".to_owned()),
        ]);
        let server_adversity = server.suffers(programs.shim.as_deref(), Some(&data_dir))?;
        let mut workers = Vec::new();
        for number in 0..options.workers + usize::from(programs.comfyui.is_some()) {
            let real = programs.comfyui.as_ref().filter(|_| number == options.workers);
            workers.push(worker(options, number, real, server_port, &data_dir, &phases).await?);
        }
        let mut world = Self {
            phases,
            server,
            server_adversity,
            redis,
            workers,
            redis_link,
            worker_redis_link,
            redis_dir,
            data_dir,
            server_port,
            redis_port,
        };
        world.start_redis().await?;
        world.start_server().await?;
        for worker in &mut world.workers {
            worker.program.start().await?;
        }
        world.until_ready().await?;
        world.until_all_connected().await?;
        Ok(world)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server_port)
    }

    pub fn database(&self) -> PathBuf {
        self.data_dir.join("comfy-multi.sqlite")
    }

    pub fn seats_dir(&self) -> PathBuf {
        self.data_dir.join("seats")
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn redis_port(&self) -> u16 {
        self.redis_port
    }

    /// The server's and the workers' processes at the moment, by name.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let programs = self.workers.iter().map(|worker| &worker.program);
        let running = |program: &Program| Some((program.name.clone(), program.child.as_ref()?.id()?));
        std::iter::once(&self.server).chain(programs).filter_map(running).collect()
    }

    /// The worker's id since its latest start, as the server knows it.
    pub fn worker_id(&self, worker: usize) -> Option<String> {
        let name = Some(self.workers[worker].name.as_str());
        let is_its =
            |line: &str| line.contains("worker connected") && field(line, "worker.name=").as_deref() == name;
        field(&self.server.last_match(is_its)?, "worker.id=")
    }

    /// Breaks something, for as long as it is to be broken, and mends it.
    pub async fn suffer(&mut self, fault: &Fault) -> anyhow::Result<()> {
        match fault.breakage {
            Breakage::KillServer => {
                self.server.kill().await?;
                sleep(fault.pause).await;
                self.start_server().await?;
            }
            Breakage::KillRedis | Breakage::LoseRedis => {
                self.redis.kill().await?;
                if fault.breakage == Breakage::LoseRedis {
                    std::fs::remove_dir_all(&self.redis_dir)?;
                    std::fs::create_dir_all(&self.redis_dir)?;
                }
                sleep(fault.pause).await;
                self.start_redis().await?;
            }
            Breakage::KillWorker(worker) => {
                self.workers[worker].program.kill().await?;
                sleep(fault.pause).await;
                self.workers[worker].program.start().await?;
            }
            Breakage::KillEngine(worker) => self.workers[worker].kill_engine(),
            Breakage::CutNetwork(worker) => self.bad_weather(worker, Weather::Cut, fault.pause).await,
            Breakage::StallNetwork(worker) => self.bad_weather(worker, Weather::Stalled, fault.pause).await,
            Breakage::SlowNetwork(worker) => {
                self.bad_weather(worker, Weather::Open { delay: SLOWNESS }, fault.pause).await;
            }
            Breakage::CutRedis => {
                self.redis_link.set(Weather::Cut);
                sleep(fault.pause).await;
                self.redis_link.set(FINE);
            }
            Breakage::FillDisk => {
                self.server_adversity.fill_disk(true)?;
                sleep(fault.pause).await;
                self.server_adversity.fill_disk(false)?;
            }
            Breakage::SkewServer(ms) => {
                self.server_adversity.set_clock(ms)?;
                sleep(fault.pause).await;
                self.server_adversity.set_clock(0)?;
            }
            Breakage::RestartSkewed(ms) => {
                self.restart_server_at(ms).await?;
                sleep(fault.pause).await;
                self.restart_server_at(0).await?;
            }
            Breakage::SkewWorker(worker, ms) => {
                self.workers[worker].adversity.set_clock(ms)?;
                sleep(fault.pause).await;
                self.workers[worker].adversity.set_clock(0)?;
            }
        }
        Ok(())
    }

    /// With its clock off by so many milliseconds.
    async fn restart_server_at(&mut self, ms: i64) -> anyhow::Result<()> {
        self.server.kill().await?;
        self.server_adversity.set_clock(ms)?;
        self.start_server().await
    }

    /// How many writes of the server its full disk has refused.
    pub fn refused_writes(&self) -> anyhow::Result<i64> {
        self.server_adversity.refused()
    }

    async fn bad_weather(&self, worker: usize, weather: Weather, pause: Duration) {
        let link = &self.workers[worker].link;
        link.set(weather);
        self.worker_redis_link.set(weather);
        sleep(pause).await;
        link.set(FINE);
        self.worker_redis_link.set(FINE);
    }

    async fn start_redis(&mut self) -> anyhow::Result<()> {
        self.redis.start().await?;
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.redis_port)).await.is_err() {
            self.redis.ensure_runs()?;
            ensure!(begun.elapsed() < START_LIMIT, "redis does not listen");
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        self.server.start().await?;
        self.until_answers("/health").await
    }

    /// Whatever ended by itself is an error.
    pub fn ensure_all_run(&mut self) -> anyhow::Result<()> {
        let workers = self.workers.iter_mut().map(|worker| &mut worker.program);
        workers.chain([&mut self.server, &mut self.redis]).try_for_each(Program::ensure_runs)
    }

    /// Waits until the server finds everything well.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        self.until_answers("/ready").await
    }

    async fn until_all_connected(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while (0..self.workers.len()).any(|worker| self.worker_id(worker).is_none()) {
            self.ensure_all_run()?;
            ensure!(begun.elapsed() < START_LIMIT, "a worker has not connected");
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn until_answers(&mut self, path: &str) -> anyhow::Result<()> {
        let http = plain_client()?;
        let url = format!("{}{path}", self.url());
        let begun = Instant::now();
        while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            self.server.ensure_runs()?;
            ensure!(begun.elapsed() < START_LIMIT, "{path} is not well after {} s", START_LIMIT.as_secs());
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends every program, the way an operator does.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        for worker in &mut self.workers {
            worker.program.stop().await?;
        }
        self.server.stop().await?;
        self.redis.stop().await
    }
}

async fn worker(
    options: &WorldOptions,
    number: usize,
    real: Option<&(PathBuf, PathBuf, String)>,
    server_port: u16,
    data_dir: &Path,
    phases: &broadcast::Sender<Phase>,
) -> anyhow::Result<WorkerPlace> {
    let told = phases.clone();
    let requests: Observer = Arc::new(move |bytes| {
        if let Some(phase) = phase_of_request(bytes) {
            let _ = told.send(phase);
        }
    });
    let link = Link::start(server_port, requests).await?;
    let port = free_port()?;
    let name = format!("worker-{number}");
    let base_dir = options.folder.join(format!("{name}-engine"));
    let mut program = Program::new(&name, &options.programs.worker, &options.folder)?;
    let told = phases.clone();
    program.watch(Arc::new(move |line| {
        if line.contains("job started") {
            let _ = told.send(Phase::Running);
        }
    }));
    let (folder, python, arguments) = match real {
        Some((folder, python, arguments)) => (folder.clone(), python.clone(), arguments.clone()),
        None => (options.folder.clone(), options.programs.engine.clone(), String::new()),
    };
    program.settings([
        ("SERVER_URL", format!("http://127.0.0.1:{}", link.port)),
        ("WORKER_TOKEN_FILE", data_dir.join("worker-token").display().to_string()),
        ("WORKER_NAME", name.clone()),
        ("CACHE_DIR", options.folder.join(format!("{name}-cache")).display().to_string()),
        ("COMFYUI_DIR", folder.display().to_string()),
        ("COMFYUI_PYTHON", python.display().to_string()),
        ("COMFYUI_PORT", port.to_string()),
        ("COMFYUI_ARGS", arguments),
        ("COMFYUI_BASE_DIR", base_dir.display().to_string()),
        ("ENGINE_HANG_SECONDS", "6".to_owned()),
        ("DRILL_ENGINE_SEED", (options.seed.wrapping_mul(31) + number as u64).to_string()),
        ("DRILL_ENGINE_FAULT_PERCENT", options.engine_fault_percent.to_string()),
        ("OMP_NUM_THREADS", "1".to_owned()),
    ]);
    let engine_note = base_dir.join(format!(".comfy-multi-engine-{port}"));
    let adversity = program.suffers(options.programs.shim.as_deref(), None)?;
    Ok(WorkerPlace { program, link, engine_note, adversity, name })
}

impl WorkerPlace {
    /// There is nothing to kill while it is starting again already.
    fn kill_engine(&self) {
        let note = std::fs::read_to_string(&self.engine_note).unwrap_or_default();
        let pid = note.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Looks at a line of a log.
type LineWatcher = Arc<dyn Fn(&str) + Send + Sync>;

/// One program, whichever process it is at the moment. Its log is kept in a file.
struct Program {
    name: String,
    path: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    settings: HashMap<String, String>,
    child: Option<Child>,
    log: Arc<Mutex<File>>,
    log_path: PathBuf,
    watcher: LineWatcher,
}

impl Program {
    fn new(name: &str, path: &Path, folder: &Path) -> anyhow::Result<Self> {
        let log_path = folder.join(format!("{name}.log"));
        let log = File::create(&log_path).with_context(|| log_path.display().to_string())?;
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            folder: folder.to_owned(),
            arguments: Vec::new(),
            settings: HashMap::new(),
            child: None,
            log: Arc::new(Mutex::new(log)),
            log_path,
            watcher: Arc::new(|_| {}),
        })
    }

    fn arguments(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
    }

    fn settings<const N: usize>(&mut self, settings: [(&str, String); N]) {
        self.settings.extend(settings.map(|(name, value)| (name.to_owned(), value)));
    }

    /// Makes it suffer what the drill will have it suffer; a full disk below that folder.
    fn suffers(&mut self, shim: Option<&Path>, disk: Option<&Path>) -> anyhow::Result<Adversity> {
        let adversity = Adversity::create(&self.folder.join(format!("{}.adversity", self.name)))?;
        if let Some(shim) = shim {
            self.settings([
                ("LD_PRELOAD", shim.display().to_string()),
                ("DRILL_ADVERSITY", adversity.path()),
            ]);
        }
        if let Some(disk) = disk {
            self.settings([("DRILL_DISK", format!("{}/", disk.display()))]);
        }
        Ok(adversity)
    }

    fn watch(&mut self, watcher: LineWatcher) {
        self.watcher = watcher;
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let inherited = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(&self.path)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(inherited)
            .envs(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be started: {}", self.name, self.path.display()))?;
        if let Some(stdout) = child.stdout.take() {
            self.keep_log(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            self.keep_log(stderr);
        }
        self.child = Some(child);
        Ok(())
    }

    fn keep_log(&self, stream: impl AsyncRead + Send + Unpin + 'static) {
        let (log, watcher) = (self.log.clone(), self.watcher.clone());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                watcher(&line);
                // What cannot be written is missing from the file, which whoever reads it sees.
                let _ = writeln!(log.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
            }
        });
    }

    fn last_match(&self, is_meant: impl Fn(&str) -> bool) -> Option<String> {
        let text = std::fs::read_to_string(&self.log_path).ok()?;
        text.lines().rev().find(|line| is_meant(line)).map(str::to_owned)
    }

    async fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::KILL).await
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        self.end(Signal::TERM).await
    }

    fn ensure_runs(&mut self) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else { bail!("{} does not run", self.name) };
        match child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended by itself ({status}); its log: {}", self.name, self.log_path.display())
            }
        }
    }

    async fn end(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.ensure_runs()?;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, signal)?;
        }
        tokio::time::timeout(START_LIMIT, child.wait())
            .await
            .with_context(|| format!("{} does not end", self.name))??;
        Ok(())
    }
}

/// The value behind a name in a log line, without quotes.
fn field(line: &str, name: &str) -> Option<String> {
    let rest = line.split(name).nth(1)?;
    Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
}

/// A client of servers on this machine.
pub fn plain_client() -> anyhow::Result<reqwest::Client> {
    // A second installation is refused and means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20));
    builder.build().context("no HTTP client")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_log_line_are_found() {
        let line = r#"INFO workshop: worker connected worker.id=77 worker.name="worker-1" engine=Ready"#;
        assert_eq!(field(line, "worker.id=").as_deref(), Some("77"));
        assert_eq!(field(line, "worker.name=").as_deref(), Some("worker-1"));
        assert_eq!(field(line, "missing="), None);
    }
}
