"""What the proxy shows: scene, masks, lines, radiance."""
