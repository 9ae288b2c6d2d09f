"""The Kubernetes side: what runs from the controller image."""
