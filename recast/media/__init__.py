"""Packets, frames and containers, by PyAV and FFmpeg. Nothing here knows of S3 or Kubernetes."""
