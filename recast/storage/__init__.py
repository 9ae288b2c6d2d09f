"""Objects by URI, in an S3-compatible store or on this machine.

Nothing here knows what a job is.

    storage     what all others call: one `Storage` a process
    stored      what every store has in common: settings, an object's facts
    s3          `s3://`, with its client, errors and hashes beside it: s3client, s3errors, s3hashes
    files       `file://`
    ranged      a seekable file over ranged reads
    spool       what was fetched, kept on the disk
    sums        whether what is read is what was written
    backoff     when to ask again
    loopback    objects as URLs for FFmpeg
    embedded    an S3 server of our own
"""
