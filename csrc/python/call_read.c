#include "calls.h"

#include "checksum.h"
#include "read.h"

const char read_files_doc[] =
    "read_files(paths, indices, row) -> list of bytes or None\n\n"
    "Read whole regular files; None for one that cannot be read. paths: list of bytes. Each index is noted in the row.";
const char read_pieces_doc[] =
    "read_pieces(pieces, indices, row) -> list of bytes or None\n\n"
    "Read pieces of open files, int64 (n, 4): file id, offset, size, CRC-32; None for one that cannot be read or whose\n"
    "checksum is wrong. Each index is noted in the row.";

struct job {
    Py_ssize_t count;
    struct piece *pieces;
    int close_files; /* that this call has opened */
    struct heartbeat heartbeat;
};

/* Make the bytes that the pieces are read to; one that is too big is left out. */
static PyObject *make_room(struct job *job)
{
    PyObject *list = PyList_New(job->count);
    for (Py_ssize_t number = 0; list && number < job->count; number++) {
        struct piece *piece = &job->pieces[number];
        PyObject *bytes = piece->id >= 0 && piece->size <= MOST_BYTES ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)piece->size) : NULL;
        PyErr_Clear();
        piece->to = bytes ? (uint8_t *)PyBytes_AS_STRING(bytes) : NULL;
        PyList_SET_ITEM(list, number, bytes ? bytes : Py_NewRef(Py_None));
    }
    return list;
}

static void open_all(struct job *job, char *const *paths)
{
    for (Py_ssize_t number = 0; number < job->count; number++) {
        note_image(&job->heartbeat, number);
        open_file(&job->pieces[number], paths[number]);
    }
}

/* Read what has room; afterwards `to` is NULL where that failed. */
static void read_all(struct job *job, const uint32_t *sums)
{
    for (Py_ssize_t number = 0; number < job->count; number++) {
        struct piece *piece = &job->pieces[number];
        if (!piece->to)
            continue;
        note_image(&job->heartbeat, number);
        if (!read_piece(piece) || (sums && checksum(piece->to, (size_t)piece->size) != sums[number]))
            piece->to = NULL;
        if (job->close_files)
            close_file(piece);
    }
}

static PyObject *drop_unread(const struct job *job, PyObject *list)
{
    for (Py_ssize_t number = 0; number < job->count; number++)
        if (!job->pieces[number].to)
            PyList_SetItem(list, number, Py_NewRef(Py_None));
    return list;
}

static PyObject *read_to_list(struct job *job, const uint32_t *sums)
{
    PyObject *list = make_room(job);
    if (!list)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    read_all(job, sums);
    Py_END_ALLOW_THREADS
    return drop_unread(job, list);
}

static PyObject *read_paths(struct job *job, char **paths, PyObject *list)
{
    for (Py_ssize_t number = 0; number < job->count; number++)
        if (PyBytes_AsStringAndSize(PyList_GET_ITEM(list, number), &paths[number], NULL))
            return NULL;
    Py_BEGIN_ALLOW_THREADS
    open_all(job, paths);
    Py_END_ALLOW_THREADS
    PyObject *files = read_to_list(job, NULL);
    for (Py_ssize_t number = 0; number < job->count; number++) /* those for which there was no room */
        close_file(&job->pieces[number]);
    return files;
}

PyObject *call_read_files(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *list, *files = NULL;
    struct job job = {.close_files = 1};
    if (!PyArg_ParseTuple(args, "O!y*w*:read_files", &PyList_Type, &list, &job.heartbeat.indices, &job.heartbeat.row))
        return NULL;
    job.count = PyList_GET_SIZE(list);
    job.pieces = PyMem_Calloc((size_t)job.count + 1, sizeof *job.pieces);
    char **paths = PyMem_Calloc((size_t)job.count + 1, sizeof *paths);
    if (!job.pieces || !paths)
        PyErr_NoMemory();
    else if (check_heartbeat(&job.heartbeat, job.count))
        files = read_paths(&job, paths, list);
    PyMem_Free((void *)paths);
    PyMem_Free(job.pieces);
    release_heartbeat(&job.heartbeat);
    return files;
}

static int fill_pieces(struct job *job, const int64_t *numbers, uint32_t *sums)
{
    for (Py_ssize_t number = 0; number < job->count; number++, numbers += 4) {
        if (numbers[1] < 0 || numbers[2] < 0 || numbers[2] > PY_SSIZE_T_MAX - 64) {
            PyErr_SetString(PyExc_ValueError, "a piece needs an offset and a size of 0 or more");
            return 0;
        }
        job->pieces[number] = (struct piece){(int)numbers[0], numbers[1], numbers[2], NULL};
        sums[number] = (uint32_t)numbers[3];
    }
    return 1;
}

PyObject *call_read_pieces(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *read = NULL;
    Py_buffer numbers;
    struct job job = {.close_files = 0};
    if (!PyArg_ParseTuple(args, "y*y*w*:read_pieces", &numbers, &job.heartbeat.indices, &job.heartbeat.row))
        return NULL;
    job.count = numbers.len / (4 * (Py_ssize_t)sizeof(int64_t));
    job.pieces = PyMem_Calloc((size_t)job.count + 1, sizeof *job.pieces);
    uint32_t *sums = PyMem_Calloc((size_t)job.count + 1, sizeof *sums);
    if (!job.pieces || !sums)
        PyErr_NoMemory();
    else if (check_heartbeat(&job.heartbeat, job.count) && fill_pieces(&job, numbers.buf, sums))
        read = read_to_list(&job, sums);
    PyMem_Free(sums);
    PyMem_Free(job.pieces);
    PyBuffer_Release(&numbers);
    release_heartbeat(&job.heartbeat);
    return read;
}
