//! What is public on a card, kept between insertions.
/// Skeleton.
#[derive(Clone, Debug)]
pub struct Cache {}
