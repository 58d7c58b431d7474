//! Output files coming from a worker into a seat's folder.

use comfy_api::ENGINE_FOLDER;
use domain::{JobId, LeaseToken};
use queue::report::{ArtifactQuery, PlacedFile};
use store::NewArtifact;
use tokio::io::AsyncRead;

use crate::files::{ArtifactName, FilesError};
use crate::spans::job_span;
use crate::{Workshop, WorkshopError};

impl Workshop {
    /// Streams one output file into the seat's folder and names it as ComfyUI would have.
    ///
    /// Called again for the same output (a retry, a second attempt), it overwrites the same file.
    pub async fn place_artifact(
        &self,
        id: JobId,
        query: &ArtifactQuery,
        body: impl AsyncRead + Send + Unpin,
    ) -> Result<PlacedFile, WorkshopError> {
        let (seat, attempt) = self.current_attempt(id, query.token).await?;
        let folder = output_folder(id, attempt);
        let files = self.files().seat(seat).await?;
        let earlier = self.store().artifact_at(id, &query.node, &query.key, query.index).await?;
        let name = ArtifactName {
            kind: query.kind.parse().map_err(|_| bad_kind(&query.kind))?,
            subfolder: own_subfolder(&query.subfolder, &folder, &query.kind)?,
            filename: query.filename.clone(),
            existing: earlier.map(|artifact| (artifact.subfolder, artifact.filename)),
        };
        let received = files.receive_artifact(name, body).await?;
        let placed = received.description().clone();
        let artifact = NewArtifact {
            job: id,
            seat,
            attempt,
            node: query.node.clone(),
            output_key: query.key.clone(),
            position: query.index,
            filename: placed.filename.clone(),
            subfolder: placed.subfolder.clone(),
            kind: query.kind.clone(),
            media_type: placed.media_type,
            media: placed.media,
            bytes: placed.bytes,
            sha256: placed.sha256,
            created_at: self.now(),
        };
        // The row comes first and only with the lease, which the transfer may have outlived: what a
        // stale worker brings is never seen. Should the server be killed before the file is in its
        // place, the job has not ended, and the next start or attempt puts it right.
        self.store().save_artifact(&artifact, query.token).await?;
        files.place_artifact(received).await?;
        self.note_growth(seat, placed.bytes);
        self.inner.hub.gallery_changed(seat);
        Ok(PlacedFile { filename: placed.filename, subfolder: placed.subfolder, kind: query.kind.clone() })
    }

    /// Forgets results whose files were not in their place when the server was killed.
    pub(crate) async fn forget_missing_artifacts(&self) -> Result<(), WorkshopError> {
        for (seat, artifact) in self.store().unfinished_artifacts().await? {
            let kind = artifact.kind.parse().map_err(|_| bad_kind(&artifact.kind))?;
            let files = self.files().seat(seat).await?;
            if !files.has_artifact(kind, &artifact.subfolder, &artifact.filename).await? {
                let stored = self.store().job(artifact.job).await?;
                job_span!("job.result.forget", &stored).in_scope(|| {
                    tracing::info!("a result had not come to its place: its job makes it again");
                });
                self.store().forget_artifact(artifact.id).await?;
            }
        }
        Ok(())
    }

    async fn current_attempt(
        &self,
        id: JobId,
        token: LeaseToken,
    ) -> Result<(domain::SeatId, u32), WorkshopError> {
        let stored = self.store().job(id).await?;
        let was_claimed = stored.job.lease().is_none_or(|lease| lease.worker.is_some());
        if stored.job.is_held_by(token) && was_claimed {
            Ok((stored.job.seat, stored.job.attempt))
        } else {
            Err(WorkshopError::StaleLease)
        }
    }
}

/// Where the outputs of one attempt lie on the engine: apart for each, since ComfyUI
/// answers an identical graph with the files of the earlier run.
pub(crate) fn output_folder(id: JobId, attempt: u32) -> String {
    format!("{ENGINE_FOLDER}/{id}/{attempt}")
}

/// The participant's own part of an engine-side folder: `cm/<job>/<attempt>/portraits` is `portraits`.
/// Temporary files have no prefix on the engine, so theirs stays as it is.
fn own_subfolder(subfolder: &str, folder: &str, kind: &str) -> Result<String, WorkshopError> {
    // The job's folder or one below it, and not a sister whose name begins alike.
    let below = subfolder.strip_prefix(folder).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match below {
        Some(own) => Ok(own.trim_start_matches('/').to_owned()),
        None if kind == "temp" => Ok(subfolder.to_owned()),
        None => Err(WorkshopError::Files(FilesError::OutsideJob)),
    }
}

fn bad_kind(kind: &str) -> WorkshopError {
    WorkshopError::BadRequest(format!("`{kind}` is neither `output` nor `temp`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_jobs_folder_are_taken() {
        assert_eq!(own_subfolder("cm/j/1/a/b", "cm/j/1", "output").unwrap(), "a/b");
        assert_eq!(own_subfolder("cm/j/1", "cm/j/1", "output").unwrap(), "");
        assert!(own_subfolder("cm/other/1", "cm/j/1", "output").is_err());
        assert!(own_subfolder("cm/j/12", "cm/j/1", "output").is_err());
        assert!(own_subfolder("", "cm/j/1", "output").is_err());
    }
}
