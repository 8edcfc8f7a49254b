//! `UploadService`: admits a call and has its mutations judged.

use haversack_proto::sync::upload_service_server::{UploadService, UploadServiceServer};
use haversack_proto::sync::{UploadRequest, UploadResponse};
use tonic::{Request, Response, Status};

use super::call::Call;
use crate::errors::SyncError;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::service::SyncEndpoint;

/// The service, beside that of syncs and with its organizations.
pub(crate) struct UploadEndpoint(SyncEndpoint);

impl UploadEndpoint {
    /// The service as it is served.
    pub(crate) fn service(sync: SyncEndpoint) -> UploadServiceServer<Self> {
        UploadServiceServer::new(Self(sync)).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    async fn answer(&self, request: Request<UploadRequest>) -> Result<UploadResponse, SyncError> {
        let caller = self.0.caller(request.metadata())?;
        let organization = self.0.organization_of(&caller)?;
        let mut call = Call::read(request.into_inner(), caller.user)?;
        organization.ready().await?;
        call.asker.user = organization.user_named(&call.name)?;
        organization.uploads().call(&organization, call).await
    }
}

#[tonic::async_trait]
impl UploadService for UploadEndpoint {
    async fn upload(&self, request: Request<UploadRequest>) -> Result<Response<UploadResponse>, Status> {
        Ok(Response::new(self.answer(request).await?))
    }
}
