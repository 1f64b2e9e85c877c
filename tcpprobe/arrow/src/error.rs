//! What goes wrong when a trace becomes tables.

/// A trace that cannot become tables, or tables that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its clock does not count nanoseconds, and the table is about durations.
    #[error("the table of {0} needs times, and the trace's clock counts no nanoseconds")]
    NoTimes(&'static str),
    /// More connections than a column can number.
    #[error("more than 2147483647 connections")]
    TooManyConnections,
    /// A batch that cannot be made.
    #[error("cannot make a table: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A file that cannot be made.
    #[cfg(feature = "parquet")]
    #[error("cannot write Parquet: {0}")]
    Parquet(::parquet::errors::ParquetError),
    /// The output failed.
    #[error("cannot write")]
    Write(#[from] std::io::Error),
}

#[cfg(feature = "parquet")]
impl From<::parquet::errors::ParquetError> for Error {
    fn from(error: ::parquet::errors::ParquetError) -> Self {
        use ::parquet::errors::ParquetError;
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(error) => Error::Write(*error),
                Err(other) => Error::Parquet(ParquetError::External(other)),
            },
            other => Error::Parquet(other),
        }
    }
}
