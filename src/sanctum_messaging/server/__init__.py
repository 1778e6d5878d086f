"""The way into the process: uvicorn, with bounds on what a client may send and on how long it may take."""
