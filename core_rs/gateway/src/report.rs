//! `ReportService`: takes note of what devices say of themselves between syncs.

use std::sync::Arc;

use haversack_proto::sync::report_service_server::{ReportService, ReportServiceServer};
use haversack_proto::sync::{ReportRequest, ReportResponse};
use haversack_staging::Contact;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::contacts::{Visitor, said};
use crate::errors::SyncError;
use crate::limits::REPORT_BYTES_MAX;
use crate::organization::blocking;
use crate::service::{SyncEndpoint, check_lengths, install_id};
use crate::signal::Device;

/// The service, beside that of syncs and with its organizations.
pub(crate) struct ReportEndpoint(SyncEndpoint);

impl ReportEndpoint {
    /// The service as it is served.
    pub(crate) fn service(sync: SyncEndpoint) -> ReportServiceServer<Self> {
        ReportServiceServer::new(Self(sync)).max_decoding_message_size(REPORT_BYTES_MAX)
    }

    async fn take(&self, metadata: &MetadataMap, request: ReportRequest) -> Result<(), SyncError> {
        let caller = self.0.caller(metadata)?;
        let organization = self.0.organization_of(&caller)?;
        check_lengths(&request.client, &request.app)?;
        let install = install_id(&request.install_id)?;
        let said = said(request.report.as_ref())?;
        organization.ready().await?;
        let device = Device { user: organization.user_named(&caller.user)?, install };
        let (app, client) = (request.app.as_str().into(), request.client.as_str().into());
        let visitor = Visitor { device, name: Arc::clone(&caller.user), app, client };
        organization.note(Contact { said, ..visitor.contact(self.0.instant()) });
        let name = caller.user;
        blocking(
            move || {
                if request.wiped { organization.wiped(device, &name) } else { organization.admit(device).map(drop) }
            },
        )
        .await
    }
}

#[tonic::async_trait]
impl ReportService for ReportEndpoint {
    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.take(&metadata, request).await?;
        Ok(Response::new(ReportResponse {}))
    }
}
