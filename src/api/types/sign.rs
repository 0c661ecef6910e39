//! `POST /v1/sign/cms`: the content is the body, the CMS is the answer; only parameters are typed.

use serde::{Deserialize, Serialize};

/// Media type of the answer of `POST /v1/sign/cms`: DER `ContentInfo` (RFC 5652, RFC 8551).
pub const CMS_MEDIA_TYPE: &str = "application/pkcs7-signature";

/// Query parameters of `POST /v1/sign/cms`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CmsParameters {
    /// Serial number of the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// True puts the content inside the CMS; it is then limited in size.
    #[serde(default)]
    pub attached: bool,
    /// Name of the document, shown to the person who is asked to agree; never written in the CMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
