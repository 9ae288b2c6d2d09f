"""`recast verify`: whether an output is its source, frame for frame and track for track.

A second opinion. FFmpeg's binary reads both files and this package compares what it says; nothing here is
shared with the code that made the output, so no one mistake can hide in both.

    process     runs FFmpeg, safely and under a watchdog
    probe       tracks, packets, tags and the first picture's properties of one file
    frames      the pictures and their times
    match       which source picture an output picture shows
    tracks      every other track
    sound       audio that was encoded again
    check       one finding
    report      all checks, and the table of them
"""
