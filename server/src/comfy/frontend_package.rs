//! The official frontend as it lies on disk: its files, its version, its extensions.
//!
//! Invariant: files are opened through directory handles, so nothing outside the given
//! folders is ever served.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use workshop::files::{FilesError, OpenFile, SeatPath};

/// The first frontend that takes a file's times in milliseconds.
const FIRST_WITH_MILLISECONDS: (u32, u32) = (1, 33);

/// The editor's files, and what its template and help panels show.
pub struct Frontend {
    pub(super) package: PublicFolder,
    pub(super) templates: Option<PublicFolder>,
    pub(super) docs: Option<PublicFolder>,
    version: Option<(u32, u32)>,
    extensions: Vec<String>,
}

/// A folder whose files everyone may read.
#[derive(Clone)]
pub(super) struct PublicFolder(Arc<Dir>);

/// Why the frontend cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    #[error("could not open `{}`, which {setting} names", path.display())]
    Folder {
        setting: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}`, which FRONTEND_DIR names, is no ComfyUI frontend: there is no index.html with a <head>", path.display())]
    NoPage { path: PathBuf },
    #[error("could not list the frontend's extensions")]
    Extensions(#[source] io::Error),
}

impl Frontend {
    /// Opens the frontend package's `static` folder, and the folders of templates and help if there are any.
    pub fn open(dir: &Path, templates: Option<&Path>, docs: Option<&Path>) -> Result<Self, FrontendError> {
        let package = PublicFolder::open("FRONTEND_DIR", dir)?;
        let page = package.0.read_to_string("index.html").unwrap_or_default();
        if super::frontend::with_first_in_head(&page, "").is_none() {
            return Err(FrontendError::NoPage { path: dir.to_owned() });
        }
        let optional =
            |setting, path: Option<&Path>| path.map(|path| PublicFolder::open(setting, path)).transpose();
        Ok(Self {
            extensions: package.extensions().map_err(FrontendError::Extensions)?,
            package,
            templates: optional("FRONTEND_TEMPLATES_DIR", templates)?,
            docs: optional("FRONTEND_DOCS_DIR", docs)?,
            version: version_of(dir),
        })
    }

    /// Paths of the scripts that the editor loads, as `/extensions` lists them.
    pub(super) fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Whether this frontend takes a file's times in milliseconds; older ones take seconds.
    pub(super) fn takes_milliseconds(&self) -> bool {
        self.version.is_none_or(|version| version >= FIRST_WITH_MILLISECONDS)
    }

    /// As `1.32`, if it is known.
    pub fn version(&self) -> Option<String> {
        self.version.map(|(major, minor)| format!("{major}.{minor}"))
    }

    /// Tells apart equally long files of two versions that an installer gave one date.
    pub(super) fn version_tag(&self) -> String {
        self.version.map(|(major, minor)| format!("-{major}.{minor}")).unwrap_or_default()
    }
}

impl PublicFolder {
    fn open(setting: &'static str, path: &Path) -> Result<Self, FrontendError> {
        let dir = Dir::open_ambient_dir(path, ambient_authority());
        dir.map(Arc::new).map(Self).map_err(|source| FrontendError::Folder {
            setting,
            path: path.to_owned(),
            source,
        })
    }

    /// Opens a file; `None` if there is none of this path.
    pub(super) async fn file(&self, path: &str) -> Result<Option<OpenFile>, FilesError> {
        let Ok(path) = SeatPath::parse_file(path) else { return Ok(None) };
        let dir = Arc::clone(&self.0);
        let open = move || {
            let file = dir.open(path.as_str())?.into_std();
            let metadata = file.metadata()?;
            let modified_at = metadata.modified()?;
            Ok(metadata.is_file().then_some(OpenFile { file, bytes: metadata.len(), modified_at }))
        };
        match tokio::task::spawn_blocking(open).await.map_err(FilesError::CutShort)? {
            Ok(open) => Ok(open),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(FilesError::Io { operation: "open a file of the frontend", source }),
        }
    }

    fn extensions(&self) -> io::Result<Vec<String>> {
        let mut scripts = Vec::new();
        let mut folders = vec!["extensions".to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match self.0.read_dir(&folder) {
                Err(error) if is_absence(&error) => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = format!("{folder}/{name}");
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".js") {
                    scripts.push(format!("/{path}"));
                }
            }
        }
        scripts.sort();
        Ok(scripts)
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    // Without a number from the system it is the directory handle that refused a link.
    matches!(error.kind(), NotFound | NotADirectory)
        || error.kind() == PermissionDenied && error.raw_os_error().is_none()
}

/// Reads the version from the folder's name, or from the record that an installer leaves beside the package.
fn version_of(dir: &Path) -> Option<(u32, u32)> {
    let dir = dir.canonicalize().ok()?;
    if let Some(version) = dir.file_name().and_then(|name| parse_version(name.to_str()?)) {
        return Some(version);
    }
    let mut records = dir
        .parent()?
        .parent()?
        .read_dir()
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    records.find_map(|name| {
        parse_version(name.strip_prefix("comfyui_frontend_package-")?.strip_suffix(".dist-info")?)
    })
}

/// Major and minor of `1.27.10`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??);
    parts.all(|part| part.is_some()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_either_place() {
        let root = tempfile::tempdir().unwrap();
        let unpacked = root.path().join("1.32.9");
        std::fs::create_dir_all(&unpacked).unwrap();
        assert_eq!(version_of(&unpacked), Some((1, 32)));

        let installed = root.path().join("comfyui_frontend_package/static");
        std::fs::create_dir_all(&installed).unwrap();
        assert_eq!(version_of(&installed), None);
        std::fs::create_dir(root.path().join("comfyui_frontend_package-1.58.1.dist-info")).unwrap();
        assert_eq!(version_of(&installed), Some((1, 58)));
    }

    #[test]
    fn a_folder_without_a_page_is_refused_with_its_name() {
        let root = tempfile::tempdir().unwrap();
        let refused = Frontend::open(root.path(), None, None).err().unwrap();
        assert!(refused.to_string().contains("FRONTEND_DIR"), "{refused}");
        let absent = Frontend::open(&root.path().join("absent"), None, None).err().unwrap();
        assert!(matches!(absent, FrontendError::Folder { setting: "FRONTEND_DIR", .. }));
    }
}
