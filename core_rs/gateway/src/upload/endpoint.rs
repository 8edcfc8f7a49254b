//! `UploadService`: admits a call and has its mutations judged.

use std::sync::Arc;

use haversack_proto::sync::upload_service_server::{UploadService, UploadServiceServer};
use haversack_proto::sync::{UploadRequest, UploadResponse};
use haversack_staging::Contact;
use tonic::{Request, Response, Status};

use super::call::Call;
use crate::contacts::{Visitor, said};
use crate::errors::SyncError;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::service::SyncEndpoint;
use crate::signal::Device;

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
        let request = request.into_inner();
        let (said, client) = (said(request.report.as_ref())?, request.client.as_str().into());
        let mut call = Call::read(request, caller.user)?;
        organization.ready().await?;
        call.asker.user = organization.user_named(&call.name)?;
        if call.owner.is_some_and(|owner| owner != call.asker.user) {
            return Err(SyncError::UserChanged);
        }
        let device = Device { user: call.asker.user, install: call.install };
        let visitor = Visitor { device, name: Arc::clone(&call.name), app: Arc::clone(&call.asker.app), client };
        organization.note(Contact { said, ..visitor.contact(self.0.instant()) });
        call.wiped = match organization.admit(device) {
            Ok(_) => None,
            Err(error @ SyncError::DeviceWiped { offers_outbox: true, .. }) => Some(error.to_string().into()),
            Err(error) => return Err(error),
        };
        organization.uploads().call(&organization, call).await
    }
}

#[tonic::async_trait]
impl UploadService for UploadEndpoint {
    async fn upload(&self, request: Request<UploadRequest>) -> Result<Response<UploadResponse>, Status> {
        Ok(Response::new(self.answer(request).await?))
    }
}
