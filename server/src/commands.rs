//! What the binary can be told to do.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use leptos::config::LeptosOptions;
use queue::RedisQueue;
use runtime::{EmbeddedRedis, Shutdown, SystemClock, TaskGroup, random};
use store::Store;
use tokio::net::TcpListener;
use tower_sessions::session_store::ExpiredDeletion;
use tower_sessions_sqlx_store::SqliteStore;
use uuid::Uuid;
use workshop::files::SeatFolders;
use workshop::take_home::take_home_path;
use workshop::{Mint, Parts, Workshop, WorkshopSettings};

use crate::auth::Credentials;
use crate::comfy::frontend::Frontend;
use crate::config::ServerConfig;
use crate::connections::{self, Patience, Room};
use crate::data_lock::DataLock;
use crate::limits::Limits;
use crate::router::router;
use crate::secrets;
use crate::state::AppState;

/// How long a stop may take before it is forced.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// The record, in the data folder.
pub(crate) const DATABASE: &str = "comfy-multi.sqlite";
const SESSION_CLEANING_PERIOD: Duration = Duration::from_secs(3600);

/// Randomness of the operating system.
struct SystemMint;

impl Mint for SystemMint {
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(random::bytes()).into_uuid()
    }

    fn secret(&self) -> String {
        random::base32_token(26)
    }
}

/// Serves the workshop until a signal.
pub async fn serve(config: ServerConfig) -> anyhow::Result<()> {
    let shutdown = Shutdown::on_signals(STOP_LIMIT).context("could not listen for signals")?;
    let data_dir = config.data_dir.clone();
    create_private_folder(&data_dir)?;
    let _lock = DataLock::take(&data_dir)?;
    let (admin_password, worker_token) = credentials(&config)?;

    let (redis_url, embedded_redis) = match &config.redis_url {
        Some(url) => (url.expose().to_owned(), None),
        None => {
            let (url, redis) = EmbeddedRedis::start(config.embedded_redis()).await?;
            (url, Some(redis))
        }
    };
    let worker_redis_url =
        config.worker_redis_url.as_ref().map_or(redis_url.clone(), |url| url.expose().to_owned());
    let queue = RedisQueue::new(config.queue_producer(&redis_url)).context("the queue cannot be used")?;
    let store = Store::open(&data_dir.join(DATABASE)).await?;
    let sessions = SqliteStore::new(store.session_pool().clone());
    sessions.migrate().await.context("could not prepare the session table")?;
    let workshop = Workshop::open(Parts {
        store: store.clone(),
        files: SeatFolders::open(&data_dir).context("could not open the seats' folders")?,
        queue: Arc::new(queue),
        clock: Arc::new(SystemClock::default()),
        mint: Arc::new(SystemMint),
        settings: WorkshopSettings {
            seats: config.seats,
            access_mode: config.access_mode,
            lease: config.lease,
            delivery_timeout: config.delivery_timeout,
            storage: config.storage.clone(),
            denied_nodes: config.denied_nodes.clone(),
            workflows_dir: config.workflows_dir.clone(),
        },
    })
    .await?;

    let listener = TcpListener::bind(config.listen_addr)
        .await
        .with_context(|| format!("could not listen on LISTEN_ADDR {}", config.listen_addr))?;
    let state = AppState {
        workshop: workshop.clone(),
        credentials: Arc::new(Credentials::new(
            &admin_password,
            &worker_token,
            config.metrics_token.as_ref().map(runtime::Secret::expose),
        )),
        attempts: Arc::default(),
        limits: Arc::new(Limits::new(config.seat_requests_per_second)),
        frontend: Arc::new(open_frontend(&config)?),
        worker_redis_url: worker_redis_url.into(),
        leptos: leptos_options(&config),
        config: Arc::new(config),
    };
    let app = router(state.clone(), sessions.clone());
    tracing::info!(address = %listener.local_addr()?, url = %state.config.public_url, seats = state.config.seats, "serving");

    let mut tasks = TaskGroup::new(shutdown.clone());
    let soft = shutdown.soft();
    let trash_workshop = workshop.clone();
    let storage_workshop = workshop.clone();
    tasks.spawn("dispatcher", {
        let soft = soft.clone();
        async move {
            workshop.run_dispatcher(soft).await;
            anyhow::Ok(())
        }
    });
    tasks.spawn("trash", {
        let (workshop, soft) = (trash_workshop, soft.clone());
        async move {
            workshop.run_trash(soft).await;
            anyhow::Ok(())
        }
    });
    tasks.spawn("storage", {
        let (workshop, soft) = (storage_workshop, soft.clone());
        async move {
            workshop.run_storage_keeper(soft).await;
            anyhow::Ok(())
        }
    });
    tasks.spawn("http", {
        let soft = soft.clone();
        async move {
            connections::serve(listener, app, Room::of_this_process(), Patience::default(), soft).await;
            anyhow::Ok(())
        }
    });
    tasks.spawn("session cleaning", clean_sessions(sessions, soft));
    let ended = tasks.join().await;

    store.close().await;
    if let Some(redis) = embedded_redis {
        redis.stop().await;
    }
    tracing::info!("stopped");
    Ok(ended?)
}

/// Prints the join links, and how to sign in as the instructor; with `take_home` also the
/// links by which participants get their files when the workshop is over.
pub async fn print_links(config: ServerConfig, take_home: bool) -> anyhow::Result<()> {
    let store = Store::open(&database(&config)?).await?;
    let mut text = String::new();
    for seat in store.seats(config.seats).await? {
        text += &format!("{}  {}/join/{}\n", seat.id, config.public_url, seat.join_token);
        // A seat that was emptied has none until the server starts again.
        if take_home && !seat.take_home_token.is_empty() {
            let path = take_home_path(&seat.take_home_token);
            text += &format!("{}  {}{path}\n", seat.id, config.public_url);
        }
    }
    store.close().await;
    text += &format!("admin    {}/admin\n", config.public_url);
    if config.admin_password.is_none() {
        let (password, _) = credentials(&config)?;
        text += &format!("password {password}\n");
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads needs no more of it: `links | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Where the record is, if there is one.
pub(crate) fn database(config: &ServerConfig) -> anyhow::Result<PathBuf> {
    let path = config.data_dir.join(DATABASE);
    anyhow::ensure!(
        path.exists(),
        "there is no workshop in {} yet: start the server once",
        config.data_dir.display()
    );
    Ok(path)
}

async fn clean_sessions(
    sessions: SqliteStore,
    soft: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    loop {
        if let Err(error) = sessions.delete_expired().await {
            tracing::warn!(%error, "could not delete expired sessions");
        }
        tokio::select! {
            () = soft.cancelled() => return Ok(()),
            () = tokio::time::sleep(SESSION_CLEANING_PERIOD) => {}
        }
    }
}

/// The admin password and the worker token: the operator's, else generated ones.
fn credentials(config: &ServerConfig) -> anyhow::Result<(String, String)> {
    let admin_password = match &config.admin_password {
        Some(password) => password.expose().to_owned(),
        None => kept_secret(secrets::admin_password_file(&config.data_dir), || random::base32_token(16))?,
    };
    let worker_token = match &config.worker_token {
        Some(token) => token.expose().to_owned(),
        None => kept_secret(secrets::worker_token_file(&config.data_dir), random::hex_token)?,
    };
    Ok((admin_password, worker_token))
}

fn kept_secret(path: PathBuf, mint: impl FnOnce() -> String) -> anyhow::Result<String> {
    secrets::read_or_create(&path, mint)
        .with_context(|| format!("could not keep a secret in {}", path.display()))
}

fn create_private_folder(path: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not make DATA_DIR {}", path.display()))
}

pub(crate) fn open_frontend(config: &ServerConfig) -> anyhow::Result<Frontend> {
    let dir = config.frontend_dir.as_deref().context(
        "FRONTEND_DIR is not set: name the `static` folder of the Python package comfyui-frontend-package (`make setup` puts one in .tools/frontend/current)",
    )?;
    Ok(Frontend::open(dir, config.frontend_templates_dir.as_deref(), config.frontend_docs_dir.as_deref())?)
}

fn leptos_options(config: &ServerConfig) -> LeptosOptions {
    LeptosOptions::builder()
        .output_name("comfy-multi")
        .site_root(config.site_root.display().to_string())
        .site_pkg_dir("pkg")
        .site_addr(config.listen_addr)
        .build()
}
