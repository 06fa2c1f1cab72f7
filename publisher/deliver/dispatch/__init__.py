"""Says of each mail which relay takes it and when: routes, limits, warm-up, and the rest that the other side asks for."""
