"""FaceSwapJobs, models and stores as an attacker would make them."""
