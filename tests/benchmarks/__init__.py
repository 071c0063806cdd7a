"""Speed as ratios: our code against plain SQL, or a bare view, on the same server in the same run."""
